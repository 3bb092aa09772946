/** What samplers take and give: the contract for our own stepping rules and for a user's. */

/** Predicts the noise-free latents: `x` f32 (any shape, flat) at noise level `sigma` -> denoised, same length. */
export type Denoise = (x: Float32Array, sigma: number) => Promise<Float32Array>;

/** What a sampler yields after each step. */
export interface SamplerStep {
  /** The latents at the step's next noise level. */
  readonly x: Float32Array;
  /** The noise-free latents that the step was made with: what a preview shows. */
  readonly denoised: Float32Array;
}

export interface SamplerOptions {
  /** Fresh unit normal noise of x's length; a new array at each call. */
  noise: () => Float32Array;
  /**
   * Stochasticity of the ancestral samplers (default 1) and of DDIM (default 0): 0 adds no noise, 1 adds the full
   * share.
   */
  eta?: number;
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
