/** The unified predictor-corrector. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

interface Evaluation {
  readonly sigma: number;
  readonly denoised: Float32Array;
}

/**
 * UniPC-2 with B2(h), predicting the denoised latents: arXiv 2302.04867, diffusers' default. Each
 * evaluation first corrects the step that led to it (UniC), then predicts the next (UniP); the correction costs no
 * evaluation of its own. One evaluation a step; the predictor is of second order, with the corrector of third. The
 * first step and a step to sigma 0 are of first order. What is yielded is the prediction, not yet corrected.
 */
export const unipc: Sampler = async function* (denoise, x, sigmas) {
  let corrected = x;
  let predicted = x;
  let history: Evaluation[] = []; // the newest first
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const sigma = sigmas[i];
    const denoised = await denoise(predicted, sigma);
    if (history.length > 0) corrected = correct(corrected, history, { sigma, denoised });
    history = [{ sigma, denoised }, ...history].slice(0, 2);
    predicted = predict(corrected, history, sigmas[i + 1]);
    yield { x: predicted, denoised };
  }
};

/** UniP: from `x` at the newest evaluation's level to level `to`. */
function predict(x: Float32Array, [last, beforeLast]: readonly Evaluation[], to: number): Float32Array {
  const ratio = to / last.sigma;
  if (!beforeLast || to === 0) return weightedSum([ratio, x], [1 - ratio, last.denoised]);
  const stride = Math.log(last.sigma / to);
  const slope = stride / (2 * Math.log(beforeLast.sigma / last.sigma));
  return weightedSum(
    [ratio, x],
    [(1 - ratio) * (1 + slope), last.denoised],
    [(ratio - 1) * slope, beforeLast.denoised],
  );
}

/** UniC: the same step anew, from `x` at the newest evaluation's level, with the denoised latents ahead known. */
function correct(x: Float32Array, [last, beforeLast]: readonly Evaluation[], ahead: Evaluation): Float32Array {
  const ratio = ahead.sigma / last.sigma;
  const gain = 1 - ratio; // B2(h), up to its sign
  if (!beforeLast) {
    return weightedSum([ratio, x], [gain / 2, last.denoised], [gain / 2, ahead.denoised]);
  }
  const stride = Math.log(last.sigma / ahead.sigma);
  const back = Math.log(beforeLast.sigma / last.sigma) / stride; // -r of the paper, positive here
  // The order conditions: weights of the differences to the evaluations ahead and behind, times B2(h).
  const phi2 = 1 - gain / stride;
  const phi3 = 1 - (2 * phi2) / stride;
  const behindWeight = (phi3 - phi2) / (1 + back);
  const aheadWeight = phi2 + behindWeight;
  const behindSlope = behindWeight / back;
  return weightedSum(
    [ratio, x],
    [gain - aheadWeight - behindSlope, last.denoised],
    [aheadWeight, ahead.denoised],
    [behindSlope, beforeLast.denoised],
  );
}
