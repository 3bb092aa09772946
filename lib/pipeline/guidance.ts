/** Classifier-free guidance: how prompts pull a prediction away from the negative prompt. */
import { weightedSum } from '../sampling/vector';

/** `uncond + scale * (cond - uncond)`: arXiv 2207.12598, with scale = w + 1. 1 is the conditional prediction alone. */
export function classifierFreeGuidance(cond: Float32Array, uncond: Float32Array, scale: number): Float32Array {
  return composedGuidance([{ weight: 1, prediction: cond }], uncond, scale);
}

/** What the network predicts under one of the prompts joined by `AND`. */
export interface WeightedPrediction {
  readonly weight: number;
  readonly prediction: Float32Array;
}

/** `uncond + scale * sum of weight_i (cond_i - uncond)`: arXiv 2206.01714, equation 11. */
export function composedGuidance(
  conds: readonly WeightedPrediction[],
  uncond: Float32Array,
  scale: number,
): Float32Array {
  const total = conds.reduce((sum, { weight }) => sum + weight, 0);
  return weightedSum(...conds.map(({ weight, prediction }) => [scale * weight, prediction] as const), [
    1 - scale * total,
    uncond,
  ]);
}

/**
 * `guided + scale * sum of weight_i (cond_i - perturbed_i)`: away from what the network predicts where its attention is perturbed
 * (arXiv 2403.17377).
 *
 * @param perturbed the prediction for each of `conds`
 */
export function perturbedGuidance(
  guided: Float32Array,
  conds: readonly WeightedPrediction[],
  perturbed: readonly Float32Array[],
  scale: number,
): Float32Array {
  return weightedSum(
    [1, guided],
    ...conds.map(({ weight, prediction }) => [scale * weight, prediction] as const),
    ...conds.map(({ weight }, i) => [-scale * weight, perturbed[i]] as const),
  );
}

/**
 * Gives a guided prediction back the deviation that it has without guidance, which large scales exceed (arXiv
 * 2305.08891, section 3.4), picture by picture.
 *
 * @param guided f32 `[n, C, H, W]`
 * @param plain the same prediction at scale 1
 * @param share of the rescaled prediction in the result: the paper's phi, which has 0.7
 * @param pictures n
 */
export function rescaledGuidance(
  guided: Float32Array,
  plain: Float32Array,
  share: number,
  pictures: number,
): Float32Array {
  const size = guided.length / pictures;
  const factors = Array.from({ length: pictures }, (_, i) => {
    const [begin, end] = [i * size, (i + 1) * size];
    const deviation = deviationOf(guided.subarray(begin, end));
    return deviation === 0 ? 1 : share * (deviationOf(plain.subarray(begin, end)) / deviation) + 1 - share;
  });
  return guided.map((value, i) => value * factors[Math.floor(i / size)]);
}

function deviationOf(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
