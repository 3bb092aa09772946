/** Classifier-free guidance: how the prompt pulls a prediction away from the negative prompt. */
import { DiffusionError } from '../errors';
import { weightedSum } from '../sampling/vector';
import type { PredictNoise } from './denoiser';

/** `uncond + scale * (cond - uncond)`: arXiv 2207.12598, with scale = w + 1. 1 is the conditional prediction alone. */
export function classifierFreeGuidance(cond: Float32Array, uncond: Float32Array, scale: number): Float32Array {
  return weightedSum([scale, cond], [1 - scale, uncond]);
}

/**
 * A network that predicts `[rows, n, C, H, W]` as one that predicts `[n, C, H, W]`: row 0 is the prompt's, row 1 the
 * negative prompt's. One row alone is passed on as it is, whatever the scale. Rejects with `INVALID_ARGUMENT` for other
 * numbers of rows.
 */
export function guidedPrediction(predictRows: PredictNoise, cfgScale: number): PredictNoise {
  return async (x, timestep) => {
    const rows = splitRows(await predictRows(x, timestep), x.length);
    return rows.length === 1 ? rows[0] : classifierFreeGuidance(rows[0], rows[1], cfgScale);
  };
}

/** Views of the one or two rows of `prediction`, each `rowLength` long. */
function splitRows(prediction: Float32Array, rowLength: number): Float32Array[] {
  const rows = prediction.length / rowLength;
  if (rows !== 1 && rows !== 2) {
    throw new DiffusionError(
      'INVALID_ARGUMENT',
      `prediction: expected one or two rows of ${rowLength} values, got ${prediction.length} values`,
    );
  }
  return Array.from({ length: rows }, (_, i) => prediction.subarray(i * rowLength, (i + 1) * rowLength));
}
