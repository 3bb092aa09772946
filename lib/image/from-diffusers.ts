/** The arguments of a diffusers pipeline's call, with its scheduler and that one's configuration, as a request of this package. */
import type { SamplerName, ScheduleName } from './infotext';
import { defined } from './parse-infotext';
import { isNumber, isObject, isSeed, isText, OptionBag, type Translated } from './translation';

/** How a class spaces its timesteps by default, and what it does if told to space them by `linspace`. */
interface Scheduler {
  sampler: SamplerName;
  spacing: 'linspace' | 'leading' | 'lcm';
  linspace: ScheduleName;
  /** Configuration under which it is that sampler; another value has no counterpart here. */
  same?: Readonly<Record<string, unknown>>;
}

const inSigmas = { spacing: 'linspace', linspace: 'discrete' } as const;
const multistep = { spacing: 'linspace', linspace: 'sgm_uniform' } as const;
const inTimesteps = { spacing: 'leading', linspace: 'linspace' } as const;
const distilled = {
  spacing: 'lcm',
  linspace: 'lcm',
  same: { original_inference_steps: 50, timestep_spacing: 'leading' },
} as const;

const schedulers: Readonly<Record<string, Scheduler>> = {
  DDIMScheduler: { sampler: 'ddim', ...inTimesteps },
  DDPMScheduler: { sampler: 'ddpm', ...inTimesteps },
  PNDMScheduler: { sampler: 'pndm', ...inTimesteps },
  EulerDiscreteScheduler: { sampler: 'euler', ...inSigmas },
  EulerAncestralDiscreteScheduler: { sampler: 'euler_a', ...inSigmas },
  HeunDiscreteScheduler: { sampler: 'heun', ...inSigmas },
  LMSDiscreteScheduler: { sampler: 'lms', ...inSigmas },
  KDPM2DiscreteScheduler: { sampler: 'dpm2', ...inSigmas },
  KDPM2AncestralDiscreteScheduler: { sampler: 'dpm2_a', ...inSigmas },
  DPMSolverSDEScheduler: { sampler: 'dpmpp_sde', ...inSigmas },
  DPMSolverMultistepScheduler: {
    ...{ sampler: 'dpmpp_2m', ...multistep },
    same: { algorithm_type: 'dpmsolver++', solver_order: 2, solver_type: 'midpoint', lower_order_final: true },
  },
  UniPCMultistepScheduler: {
    ...{ sampler: 'unipc', ...multistep },
    same: { solver_order: 2, solver_type: 'bh2', predict_x0: true, lower_order_final: true },
  },
  DEISMultistepScheduler: {
    ...{ sampler: 'deis', ...multistep },
    same: { algorithm_type: 'deis', solver_order: 3, solver_type: 'logrho' },
  },
  IPNDMScheduler: { sampler: 'ipndm', ...inTimesteps, spacing: 'linspace' },
  LCMScheduler: { sampler: 'lcm', ...distilled },
  TCDScheduler: { sampler: 'tcd', ...distilled },
};

/** True of every sampler here. */
const always = { steps_offset: 1, final_sigmas_type: 'zero', interpolation_type: 'linear' };

/** Levels by a formula, whatever the timesteps' spacing. */
const sigmaFlags: Readonly<Record<string, ScheduleName>> = {
  use_karras_sigmas: 'karras',
  use_exponential_sigmas: 'exponential',
  use_beta_sigmas: 'beta',
};

/**
 * Translates argument names, and the scheduler: its class's name as `scheduler` (or `_class_name`), its configuration beside it, in
 * `scheduler_config`, or, with `_class_name`, as `scheduler` itself (the contents of scheduler_config.json). A class's defaults are heeded:
 * `DDIMScheduler` alone is spaced by `leading`. A `generator` may be a seed, or `{ device, seed }`: that of a CPU draws as torch does there,
 * that of a GPU as `philox`. What describes the model (`beta_start`, `prediction_type` ...) is read from its files and goes to `unknown`,
 * as does all else that has no counterpart.
 *
 * @throws INVALID_ARGUMENT if `options` is not an object
 */
export function fromDiffusers(options: object): Translated {
  const bag = new OptionBag(isObject(options) ? flattened(options) : options);
  const guidance = bag.takeIf('guidance_scale', isNumber);
  const skipped = bag.takeIf('clip_skip', isNumber);
  const { sampler, schedule } = stepping(bag);
  const request = {
    prompt: bag.take('prompt'),
    negativePrompt: bag.take('negative_prompt'),
    steps: bag.take('num_inference_steps'),
    sampler,
    schedule,
    cfgScale: guidance === undefined ? undefined : Math.max(guidance, 1), // 1 and below turn guidance off
    cfgRescale: bag.take('guidance_rescale'),
    ...perturbation(bag),
    ...sizes(bag),
    ...noise(bag),
    width: bag.take('width'),
    height: bag.take('height'),
    batchSize: bag.take('num_images_per_prompt'),
    eta: eta(bag, sampler),
    strength: bag.take('strength'),
    clipSkip: skipped === undefined ? undefined : skipped + 1, // layers left out; here 1 is none
  };
  return { request: defined(request) as Translated['request'], unknown: bag.rest() };
}

/** The layers as far as they are whole blocks: `mid`, `down_blocks.1`. */
function perturbation(bag: OptionBag) {
  const isBlock = (value: unknown): value is string => isText(value) && /^(mid|(down|up)_blocks\.\d)$/.test(value);
  const areBlocks = (value: unknown): value is string | string[] =>
    Array.isArray(value) ? value.length > 0 && value.every(isBlock) : isBlock(value);
  const layers = bag.takeIf('pag_applied_layers', areBlocks);
  const pagLayers = layers === undefined ? undefined : [layers].flat().map((layer) => layer.replace('_blocks', ''));
  return { pagScale: bag.take('pag_scale'), pagLayers };
}

/** Stable Diffusion XL's: pairs of height and width. */
function sizes(bag: OptionBag) {
  const isPair = (value: unknown): value is [number, number] =>
    Array.isArray(value) && value.length === 2 && value.every(isNumber);
  const size = (name: string) => {
    const pair = bag.takeIf(name, isPair);
    return pair && { width: pair[1], height: pair[0] };
  };
  const crop = bag.takeIf('crops_coords_top_left', isPair);
  return {
    originalSize: size('original_size'),
    cropTopLeft: crop && { top: crop[0], left: crop[1] },
    targetSize: size('target_size'),
    aestheticScore: bag.take('aesthetic_score'),
    negativeAestheticScore: bag.take('negative_aesthetic_score'),
  };
}

/** The options with the scheduler's configuration among them, and its class as `scheduler`. */
function flattened(options: object): object {
  const { scheduler, scheduler_config, ...rest } = options as { scheduler?: unknown; scheduler_config?: unknown };
  const whole = isObject(scheduler) ? scheduler : { scheduler };
  const config = isObject(scheduler_config) ? scheduler_config : { scheduler_config };
  const { _class_name, ...flat } = { ...rest, ...whole, ...config } as Record<string, unknown>;
  return { ...flat, scheduler: flat.scheduler ?? _class_name };
}

function stepping(bag: OptionBag): { sampler?: SamplerName; schedule?: ScheduleName } {
  const label = bag.get('scheduler');
  const scheduler = isText(label) && Object.hasOwn(schedulers, label) ? schedulers[label] : undefined;
  if (!scheduler) return {};
  bag.take('scheduler');
  const sampler = variantOf(scheduler.sampler, bag);
  for (const [key, value] of Object.entries({ ...always, ...scheduler.same })) {
    if (bag.get(key) === value) bag.take(key);
  }
  return { sampler, schedule: spacingOf(scheduler, bag) };
}

/** Two classes are several samplers, by their configuration. */
function variantOf(sampler: SamplerName, bag: OptionBag): SamplerName {
  if (sampler === 'pndm') return bag.take('skip_prk_steps') ? 'plms' : 'pndm';
  if (sampler !== 'dpmpp_2m') return sampler;
  if (bag.get('solver_order') === 1 && bag.get('algorithm_type') !== 'sde-dpmsolver++') {
    bag.take('solver_order');
    return 'ddim';
  }
  if (bag.get('algorithm_type') !== 'sde-dpmsolver++') return sampler;
  bag.take('algorithm_type');
  return 'dpmpp_2m_sde';
}

function spacingOf({ spacing, linspace }: Scheduler, bag: OptionBag): ScheduleName {
  const isTrue = (value: unknown): value is true => value === true;
  const isSpacing = (value: unknown): value is 'linspace' | 'leading' | 'trailing' =>
    value === 'linspace' || value === 'leading' || value === 'trailing';
  if (spacing === 'lcm') return 'lcm';
  const said = bag.takeIf('timestep_spacing', isSpacing) ?? spacing;
  const flags = Object.keys(sigmaFlags).filter((flag) => bag.takeIf(flag, isTrue));
  if (flags.length > 0) return sigmaFlags[flags[0]];
  return said === 'linspace' ? linspace : said;
}

/** The other schedulers do not look at it. */
function eta(bag: OptionBag, sampler: SamplerName | undefined): unknown {
  if (sampler === 'ddim' || sampler === 'tcd') return bag.take('eta');
  if (bag.get('eta') === 0) bag.take('eta');
  return undefined;
}

function noise(bag: OptionBag): { seed?: number | bigint; rng?: 'philox' | 'torch' } {
  const seed = bag.takeIf('generator', isSeed) ?? bag.takeIf('seed', isSeed);
  if (seed !== undefined) return { seed, rng: 'torch' };
  const generator = bag.get('generator');
  if (!isObject(generator)) return {};
  const { device = 'cpu', seed: own } = generator as { device?: unknown; seed?: unknown };
  if (!isSeed(own)) return {};
  bag.take('generator');
  return { seed: own, rng: device === 'cpu' ? 'torch' : 'philox' };
}
