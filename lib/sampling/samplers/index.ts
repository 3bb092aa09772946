/** Every stepping rule by the name that a request gives it. */
import type { Sampler } from '../types';
import { ddim } from './ddim';
import { ddpm } from './ddpm';
import { deis } from './deis';
import { dpm2 } from './dpm2';
import { dpm2Ancestral } from './dpm2-ancestral';
import { dpmpp2m } from './dpmpp-2m';
import { dpmpp2mSde } from './dpmpp-2m-sde';
import { dpmpp2sAncestral } from './dpmpp-2s-ancestral';
import { dpmpp3mSde } from './dpmpp-3m-sde';
import { dpmppSde } from './dpmpp-sde';
import { erSde } from './er-sde';
import { euler } from './euler';
import { eulerAncestral } from './euler-ancestral';
import { eulerCfgPp } from './euler-cfg-pp';
import { heun } from './heun';
import { ipndm } from './ipndm';
import { lcm } from './lcm';
import { lms } from './lms';
import { plms } from './plms';
import { pndm } from './pndm';
import { resMultistep } from './res-multistep';
import { tcd } from './tcd';
import { unipc } from './unipc';

export {
  ddim,
  ddpm,
  deis,
  dpm2,
  dpm2Ancestral,
  dpmpp2m,
  dpmpp2mSde,
  dpmpp2sAncestral,
  dpmpp3mSde,
  dpmppSde,
  erSde,
  euler,
  eulerAncestral,
  eulerCfgPp,
  heun,
  ipndm,
  lcm,
  lms,
  plms,
  pndm,
  resMultistep,
  tcd,
  unipc,
};

/** What the option `sampler` takes by name. */
export type SamplerName =
  | 'euler'
  | 'euler_a'
  | 'euler_cfg_pp'
  | 'heun'
  | 'dpm2'
  | 'dpm2_a'
  | 'lms'
  | 'dpmpp_2s_a'
  | 'dpmpp_sde'
  | 'dpmpp_2m'
  | 'dpmpp_2m_sde'
  | 'dpmpp_3m_sde'
  | 'ddim'
  | 'ddpm'
  | 'pndm'
  | 'plms'
  | 'ipndm'
  | 'unipc'
  | 'deis'
  | 'res_multistep'
  | 'er_sde'
  | 'lcm'
  | 'tcd';

/** Every sampler by its name. What each is, and when to take it, stands in docs/guides/samplers.md. */
export const samplers: Readonly<Record<SamplerName, Sampler>> = {
  euler,
  euler_a: eulerAncestral,
  euler_cfg_pp: eulerCfgPp,
  heun,
  dpm2,
  dpm2_a: dpm2Ancestral,
  lms,
  dpmpp_2s_a: dpmpp2sAncestral,
  dpmpp_sde: dpmppSde,
  dpmpp_2m: dpmpp2m,
  dpmpp_2m_sde: dpmpp2mSde,
  dpmpp_3m_sde: dpmpp3mSde,
  ddim,
  ddpm,
  pndm,
  plms,
  ipndm,
  unipc,
  deis,
  res_multistep: resMultistep,
  er_sde: erSde,
  lcm,
  tcd,
};
