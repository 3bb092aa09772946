/** Requests of A1111's web API (`/sdapi/v1/txt2img` and `img2img`) as requests of this package. */
import { knowsSchedule, readStepping } from './a1111-names';
import { defined, type HiresOptions, rngs, upscalers } from './parse-infotext';
import { isNumber, isObject, isSeed, isText, OptionBag, type Translated } from './translation';

/**
 * Translates option names, sampler labels ("DPM++ 2M Karras", or `scheduler` beside it) and `override_settings`. What is left open there
 * is left open here, and takes this package's default; a sampler without a schedule gets the one that the web UI calls "Automatic".
 * `null`, `false`, empty values and a seed of -1 ask for nothing, and neither do the options of a second pass without `enable_hr`.
 *
 * @throws INVALID_ARGUMENT if `options` is not an object
 */
export function fromA1111(options: object): Translated {
  const bag = new OptionBag(options);
  const override = new OptionBag(bag.takeIf('override_settings', isObject) ?? {});
  const request = {
    prompt: bag.take('prompt'),
    negativePrompt: bag.take('negative_prompt'),
    steps: bag.take('steps'),
    ...stepping(bag),
    cfgScale: bag.take('cfg_scale'),
    seed: seed(bag, 'seed'),
    ...variation(bag),
    width: bag.take('width'),
    height: bag.take('height'),
    batchSize: pictures(bag),
    eta: bag.take('eta'),
    hires: hires(bag),
    strength: strength(bag),
    clipSkip: override.take('CLIP_stop_at_last_layers'),
    rng: rngs.get(override.takeIf('randn_source', (value): value is string => rngs.has(value))),
  };
  const settings = Object.entries(override.rest()).map(([name, value]) => [`override_settings.${name}`, value]);
  return {
    request: defined(request) as Translated['request'],
    unknown: { ...bag.rest(), ...Object.fromEntries(settings) },
  };
}

/** `sampler_index` is the older name of `sampler_name`. */
function stepping(bag: OptionBag) {
  const name = bag.get('sampler_name') === undefined ? 'sampler_index' : 'sampler_name';
  const [label, scheduler] = [bag.get(name), bag.get('scheduler')];
  const found = readStepping(isText(label) ? label : '', isText(scheduler) ? scheduler : '', 'automatic');
  if (found.sampler) bag.take(name);
  if (isText(scheduler) && knowsSchedule(scheduler)) bag.take('scheduler');
  return found;
}

/** -1 asks for any. */
function seed(bag: OptionBag, name: string): number | bigint | undefined {
  if (bag.get(name) === -1) bag.take(name);
  return bag.takeIf(name, isSeed);
}

/** Its seed means nothing without a strength. */
function variation(bag: OptionBag) {
  const subseed = seed(bag, 'subseed');
  const subseedStrength = bag.take('subseed_strength') || undefined;
  return subseedStrength === undefined ? {} : { subseed, subseedStrength };
}

/** `n_iter` batches of `batch_size`: their seeds go on from one to the next, so one batch of all is the same. */
function pictures(bag: OptionBag): number | undefined {
  const size = bag.takeIf('batch_size', isNumber);
  const batches = bag.takeIf('n_iter', isNumber);
  return size === undefined && batches === undefined ? undefined : (size ?? 1) * (batches ?? 1);
}

/** A second pass, whose size is given by a scale; without one, what is said of it does nothing. */
function hires(bag: OptionBag): HiresOptions | undefined {
  if (bag.take('enable_hr') === undefined) {
    bag.drop('hr_');
    bag.drop('firstphase_');
    return undefined;
  }
  for (const name of ['hr_resize_x', 'hr_resize_y', 'hr_second_pass_steps']) if (bag.get(name) === 0) bag.take(name);
  const isUpscaler = (value: unknown): value is string => upscalers.has(value);
  return defined({
    scale: bag.takeIf('hr_scale', isNumber),
    upscaler: upscalers.get(bag.takeIf('hr_upscaler', isUpscaler)),
    strength: bag.takeIf('denoising_strength', isNumber),
    steps: bag.takeIf('hr_second_pass_steps', isNumber),
  });
}

/** Without a picture to start from, it does nothing. */
function strength(bag: OptionBag): unknown {
  return bag.get('init_images') === undefined ? undefined : bag.take('denoising_strength');
}
