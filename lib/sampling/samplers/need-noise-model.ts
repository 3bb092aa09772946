/** For samplers whose rule is stated in timesteps. */
import { DiffusionError } from '../../errors';
import type { NoiseModel } from '../noise-model';
import type { SamplerOptions } from '../types';

/** The noise model of the options; throws `INVALID_ARGUMENT` where there is none. */
export function needNoiseModel(sampler: string, { noiseModel }: SamplerOptions): NoiseModel {
  if (noiseModel) return noiseModel;
  throw new DiffusionError('INVALID_ARGUMENT', `noiseModel: expected the model's, which ${sampler} needs, got none`);
}
