/** What samplers take and give: the contract for our own stepping rules and for a user's. */
import type { NoiseModel } from './noise-model';

/** Predicts the noise-free latents: `x` f32 (any shape, flat) at noise level `sigma` -> denoised, same length. */
export type Denoise = (x: Float32Array, sigma: number) => Promise<Float32Array>;

/** The noise-free latents as guidance has them, and as the unconditional prediction alone has them. */
export interface DenoisedPair {
  readonly denoised: Float32Array;
  readonly unconditional: Float32Array;
}

/** A {@link Denoise} that keeps both of its halves, from one evaluation of the network. */
export type DenoisePair = (x: Float32Array, sigma: number) => Promise<DenoisedPair>;

/** What a sampler yields after each step. */
export interface SamplerStep {
  /** The latents at the step's next noise level. */
  readonly x: Float32Array;
  /** The noise-free latents that the step was made with: what a preview shows. */
  readonly denoised: Float32Array;
}

/** What a sampler may need beside the denoiser. */
export interface SamplerOptions {
  /** Fresh unit normal noise of x's length; a new array at each call. */
  noise: () => Float32Array;
  /**
   * Stochasticity of the ancestral and SDE samplers (default 1), of TCD (default 0.3) and of DDIM (default 0): 0 adds
   * no noise, 1 adds the full share.
   */
  eta?: number;
  /** The model's levels, for samplers whose rule is stated in timesteps: `pndm` and `tcd`. */
  noiseModel?: NoiseModel;
  /** The network with its unconditional half, for samplers that step with it: `euler_cfg_pp`. */
  denoisePair?: DenoisePair;
}

/**
 * A stepping rule: yields after each step; the last `x` is the result. `sigmas` has steps + 1 entries, decreasing, the
 * last usually 0. `x` is in sigma space: noise-free latents plus sigma times unit normal noise. A sampler never
 * writes to the `x` that it was given nor to one that it has yielded, so both may be kept.
 */
export type Sampler = (
  denoise: Denoise,
  x: Float32Array,
  sigmas: readonly number[],
  options: SamplerOptions,
) => AsyncGenerator<SamplerStep, void, void>;
