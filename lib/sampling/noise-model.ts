/** How much noise a model was trained to see at each timestep: the map between timesteps and sigmas. */
import { DiffusionError } from '../errors';

/** How betas grow from the first timestep to the last; see {@link NoiseModelOptions.betaSchedule}. */
export type BetaSchedule = 'scaled_linear' | 'linear' | 'squaredcos_cap_v2';

/** For {@link createNoiseModel}. */
export interface NoiseModelOptions {
  /**
   * `scaled_linear` is Stable Diffusion's (arXiv 2112.10752), `linear` DDPM's (2006.11239), `squaredcos_cap_v2` the
   * cosine one (2102.09672).
   */
  betaSchedule: BetaSchedule;
  /** First beta, in 0..1; not used by `squaredcos_cap_v2`. */
  betaStart: number;
  /** Last beta, likewise. */
  betaEnd: number;
  /** How many timesteps there are: 1000 for Stable Diffusion. */
  trainSteps: number;
  /** Rescales the betas so that the last timestep is pure noise (arXiv 2305.08891, algorithm 1). Default false. */
  zeroTerminalSnr?: boolean;
}

/** The noise levels that a network was trained on, as sigmas: the standard deviation of the noise over noise-free latents. */
export interface NoiseModel {
  /** How many timesteps there are. */
  readonly trainSteps: number;
  /** The sigma of each training timestep, ascending. */
  readonly sigmas: readonly number[];
  /** The first of them. */
  readonly sigmaMin: number;
  /** The last of them. */
  readonly sigmaMax: number;
  /** Between two timesteps log(sigma) is interpolated linearly; `t` is held to 0..trainSteps - 1. */
  timestepToSigma(t: number): number;
  /** The inverse, as a fractional timestep; `sigma` is held to sigmaMin..sigmaMax. */
  sigmaToTimestep(sigma: number): number;
}

/** Throws `INVALID_ARGUMENT` for a name, a beta or a step count that makes no noise model. */
export function createNoiseModel(options: NoiseModelOptions): NoiseModel {
  const { trainSteps } = options;
  checkTrainSteps(trainSteps);
  const alphas = cumulativeAlphas(trainBetas(options));
  if (options.zeroTerminalSnr) rescaleToZeroTerminalSnr(alphas);
  // Checkpoints and other implementations hold these products as f32; near 1 that rounding moves sigma by 2e-5.
  return tabulated(alphas.map(Math.fround).map((alpha) => Math.sqrt((1 - alpha) / alpha)));
}

/** For {@link createFlowNoiseModel}. */
export interface FlowNoiseModelOptions {
  /** How much the levels are moved up: 1, the default, for none; Stable Diffusion 3 has 3 (arXiv 2403.03206). */
  shift?: number;
  /** Default 1000. */
  trainSteps?: number;
}

/**
 * The levels of a rectified flow (arXiv 2209.03003), whose network sees `(1 - t) image + t noise`: divided by 1 - t
 * that is sigma space, with sigma `t / (1 - t)`. The timesteps stand at t = 1 / trainSteps to 1 before the shift, which
 * multiplies sigma; the last one, pure noise, is put half a step lower, where sigma is finite. Throws
 * `INVALID_ARGUMENT` for a shift or a step count that makes no noise model.
 *
 * @param options the shift, and how many timesteps there are
 */
export function createFlowNoiseModel({ shift = 1, trainSteps = 1000 }: FlowNoiseModelOptions = {}): NoiseModel {
  checkTrainSteps(trainSteps);
  if (!(shift > 0 && Number.isFinite(shift))) {
    throw new DiffusionError('INVALID_ARGUMENT', `shift: expected a finite number above 0, got ${shift}`);
  }
  const sigmaAt = (step: number) => (shift * step) / (trainSteps - step);
  return tabulated(Array.from({ length: trainSteps }, (_, i) => sigmaAt(Math.min(i + 1, trainSteps - 0.5))));
}

/** A noise model with a level for each timestep, and log(sigma) linear between them. */
function tabulated(sigmas: readonly number[]): NoiseModel {
  const logSigmas = sigmas.map(Math.log);
  const last = sigmas.length - 1;

  return {
    trainSteps: sigmas.length,
    sigmas,
    sigmaMin: sigmas[0],
    sigmaMax: sigmas[last],
    timestepToSigma(t) {
      const held = Math.min(Math.max(t, 0), last);
      const low = Math.floor(held);
      const fraction = held - low;
      if (fraction === 0) return sigmas[low];
      return Math.exp((1 - fraction) * logSigmas[low] + fraction * logSigmas[low + 1]);
    },
    sigmaToTimestep(sigma) {
      const logSigma = Math.min(Math.max(Math.log(sigma), logSigmas[0]), logSigmas[last]);
      const low = intervalOf(logSigmas, logSigma);
      return low + (logSigma - logSigmas[low]) / (logSigmas[low + 1] - logSigmas[low]);
    },
  };
}

function checkTrainSteps(trainSteps: number): void {
  if (Number.isInteger(trainSteps) && trainSteps >= 2) return;
  throw new DiffusionError('INVALID_ARGUMENT', `trainSteps: expected an integer of at least 2, got ${trainSteps}`);
}

/** The share of variance that each training step replaces by noise. */
function trainBetas({ betaSchedule, betaStart, betaEnd, trainSteps }: NoiseModelOptions): number[] {
  const spaced = (from: number, to: number) =>
    Array.from({ length: trainSteps }, (_, i) => from + ((to - from) * i) / (trainSteps - 1));
  if (betaSchedule === 'squaredcos_cap_v2') {
    const alphaBar = (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
    return Array.from({ length: trainSteps }, (_, i) =>
      Math.min(1 - alphaBar((i + 1) / trainSteps) / alphaBar(i / trainSteps), 0.999),
    );
  }
  if (!(betaStart > 0 && betaStart < betaEnd && betaEnd < 1)) {
    throw new DiffusionError(
      'INVALID_ARGUMENT',
      `betaStart, betaEnd: expected 0 < betaStart < betaEnd < 1, got ${betaStart} and ${betaEnd}`,
    );
  }
  switch (betaSchedule) {
    case 'linear':
      return spaced(betaStart, betaEnd);
    case 'scaled_linear':
      return spaced(Math.sqrt(betaStart), Math.sqrt(betaEnd)).map((root) => root ** 2);
    default:
      throw new DiffusionError(
        'INVALID_ARGUMENT',
        `betaSchedule: expected scaled_linear, linear or squaredcos_cap_v2, got '${String(betaSchedule)}'`,
      );
  }
}

function cumulativeAlphas(betas: readonly number[]): number[] {
  let product = 1;
  return betas.map((beta) => {
    product *= 1 - beta;
    return product;
  });
}

/** Shifts and scales sqrt(alpha), in place, so that the first stays and the last becomes 0. */
function rescaleToZeroTerminalSnr(alphas: number[]): void {
  const first = Math.sqrt(alphas[0]);
  const last = Math.sqrt(alphas[alphas.length - 1]);
  for (let i = 0; i < alphas.length; i++) {
    alphas[i] = (((Math.sqrt(alphas[i]) - last) * first) / (first - last)) ** 2;
  }
  // Sigma must stay finite: 2^-24 makes the last one 4096, the value that diffusers settled on.
  alphas[alphas.length - 1] = 2 ** -24;
}

/** The index `i` with `ascending[i] <= value <= ascending[i + 1]`. */
function intervalOf(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= value) low = middle;
    else high = middle;
  }
  return low;
}
