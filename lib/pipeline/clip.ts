/** Holds denoised pixels within the bounds that pixels have. */
import type { DenoisedPair } from '../sampling/types';

/**
 * Both predictions held to -range..range, as DDPM's authors (arXiv 2006.11239) do with every prediction of the picture;
 * as they are for a `range` of undefined, since latents have no bounds. A sampler that takes the noise from `denoised` then
 * steps along the clipped picture, which diffusers' DDIM does for `use_clipped_model_output` alone.
 */
export function clipped(pair: DenoisedPair, range: number | undefined): DenoisedPair {
  if (range === undefined) return pair;
  const hold = (values: Float32Array) => values.map((value) => Math.min(range, Math.max(-range, value)));
  return { denoised: hold(pair.denoised), unconditional: hold(pair.unconditional) };
}
