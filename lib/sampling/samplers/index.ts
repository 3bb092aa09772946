/** Every stepping rule by the name that a request gives it. */
import type { Sampler } from '../types';
import { ddim } from './ddim';
import { dpmpp2m } from './dpmpp-2m';
import { euler } from './euler';
import { eulerAncestral } from './euler-ancestral';
import { lcm } from './lcm';

export { ddim, dpmpp2m, euler, eulerAncestral, lcm };

export type SamplerName = 'euler' | 'euler_a' | 'ddim' | 'dpmpp_2m' | 'lcm';

export const samplers: Readonly<Record<SamplerName, Sampler>> = {
  euler,
  euler_a: eulerAncestral,
  ddim,
  dpmpp_2m: dpmpp2m,
  lcm,
};
