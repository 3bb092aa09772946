/** DPM-Solver++ on the reverse SDE, multistep, looking back on three evaluations. */
import type { Sampler } from '../types';
import { type Term, weightedSum } from '../vector';
import { checkEta } from './ancestral-step';

interface Evaluation {
  readonly denoised: Float32Array;
  /** From this evaluation to the next, in log sigma. */
  readonly stride: number;
}

/**
 * The multistep SDE-DPM-Solver++ (arXiv 2211.01095) with the last three evaluations, after Katherine Crowson's
 * k-diffusion: the denoised latents as a polynomial in `log sigma`, integrated exactly over the step. As there and in
 * diffusers, the second derivative counts half of what it is, which leaves second order, though near the third at 20 to
 * 40 steps. `eta` is the share of fresh noise, default 1; with 0 it follows the ODE. One evaluation a step; the first
 * steps are of lower order, a step to sigma 0 of first. Noise is drawn once a step, except for steps that add none.
 */
export const dpmpp3mSde: Sampler = async function* (denoise, x, sigmas, { noise, eta = 1 }) {
  checkEta(eta);
  let current = x;
  let history: Evaluation[] = []; // the newest first
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    const stride = Math.log(from / to); // infinite towards sigma 0
    if (to > 0) {
      current = weightedSum([(to / from) ** (1 + eta), current], ...integral(denoised, history, stride, eta));
      if (eta > 0) current = weightedSum([1, current], [to * Math.sqrt(-Math.expm1(-2 * eta * stride)), noise()]);
    } else {
      current = denoised;
    }
    history = [{ denoised, stride }, ...history].slice(0, 2);
    yield { x: current, denoised };
  }
};

/** The denoised latents' part of a step: their Taylor terms times the exponential integrals phi 1 to 3. */
function integral(denoised: Float32Array, history: readonly Evaluation[], stride: number, eta: number): Term[] {
  const length = stride * (1 + eta);
  const phi1 = -Math.expm1(-length);
  const phi2 = 1 - phi1 / length;
  if (history.length === 0) return [[phi1, denoised]];

  const [last, beforeLast] = history;
  const ratio = last.stride / stride;
  if (!beforeLast) {
    return [
      [phi1 + phi2 / ratio, denoised],
      [-phi2 / ratio, last.denoised],
    ];
  }
  const phi3 = phi2 / length - 0.5;
  const ratioBefore = beforeLast.stride / stride;
  const curvature = (phi2 * ratio - phi3) / (ratio + ratioBefore); // 2 * phi3 would be of third order
  const slope = (phi2 + curvature) / ratio;
  const bend = curvature / ratioBefore;
  return [
    [phi1 + slope, denoised],
    [-slope - bend, last.denoised],
    [bend, beforeLast.denoised],
  ];
}
