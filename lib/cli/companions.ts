/** Networks that the command line loads beside the model: ControlNets, and a refiner for the last steps. */
import { ControlNet } from '../model/control-net';
import { Image } from '../pipeline/image-request';
import { Pipeline } from '../pipeline/pipeline';
import type { TextRequest } from '../pipeline/request';
import { type NetworkValues, networkOptions } from './network-options';
import { numberOption, UsageError } from './usage';

export const companionHelp = `\
      --control-net PATH     holds the picture to another one; several times for several
      --control-image FILE   what the ControlNet of the same place follows: edges, a depth map ...
      --control-weight X     and how strongly, 0 to 10 (default 1)
      --refiner PATH         a second model for the last steps: Stable Diffusion XL's refiner
      --refiner-switch-at X  the share of the noise levels that the first model draws (default 0.8)`;

export const companionOptions = {
  'control-net': { type: 'string', multiple: true },
  'control-image': { type: 'string', multiple: true },
  'control-weight': { type: 'string', multiple: true },
  refiner: { type: 'string' },
  'refiner-switch-at': { type: 'string' },
} as const;

export interface CompanionValues {
  'control-net'?: string[];
  'control-image'?: string[];
  'control-weight'?: string[];
  refiner?: string;
  'refiner-switch-at'?: string;
}

type Companions = Pick<TextRequest, 'control' | 'refiner'>;

/** Gives a request what the options name, loaded, and frees it behind the request; throws UsageError at once. */
export function companionLoader(values: CompanionValues & NetworkValues, signal: AbortSignal) {
  const { 'control-net': nets = [], 'control-image': images = [], refiner } = values;
  const options = { ...networkOptions(values), signal };
  const weights = values['control-weight']?.map((text) => numberOption('control-weight', text)) ?? [];
  const switchAt = numberOption('refiner-switch-at', values['refiner-switch-at']);
  if (images.length !== nets.length)
    throw new UsageError(`--control-image: expected one for each --control-net, ${nets.length}, got ${images.length}`);
  if (weights.length > nets.length)
    throw new UsageError(`--control-weight: expected one for each --control-net, got ${weights.length}`);
  if (switchAt !== undefined && refiner === undefined)
    throw new UsageError('--refiner-switch-at: expected --refiner beside it, got none');

  return async <Result>(draw: (companions: Companions) => Promise<Result>): Promise<Result> => {
    const loaded: { dispose(): Promise<void> }[] = [];
    try {
      const companions: Companions = {};
      for (const [i, file] of nets.entries()) {
        const image = await Image.open(images[i]);
        const net = await ControlNet.load(file, options);
        loaded.push(net);
        companions.control = [...(companions.control ?? []), { net, image, weight: weights[i] }];
      }
      if (refiner !== undefined) {
        const pipeline = await Pipeline.load(refiner, options);
        loaded.push(pipeline);
        companions.refiner = { pipeline, switchAt };
      }
      return await draw(companions);
    } finally {
      for (const part of loaded) await part.dispose();
    }
  };
}
