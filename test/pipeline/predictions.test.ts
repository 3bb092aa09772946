/** Velocity over levels that end in pure noise, noise-free latents and flows: every step against diffusers', and what else must hold. */
import path from 'node:path';
import t from 'tap';
import {
  createNoiseModel,
  Image,
  Pipeline,
  type PipelineOptions,
  type SamplerName,
  type ScheduleName,
  schedules,
  torchNoise,
} from '../../lib/index';
import { relativeError, sameBytes } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const fixtures = path.resolve(__dirname, '..', 'fixtures');
const reference = readFixture(path.join(fixtures, 'predictions', 'predictions.ref.safetensors'));
const pixels = readFixture(path.join(fixtures, 'tasks', 'tasks.ref.safetensors')).i32('image').data;
const { prompts, seed, steps, cfgScale, side, runs } = reference.facts as {
  prompts: [string, string];
  seed: number;
  steps: number;
  cfgScale: number;
  side: number;
  runs: ReferenceRun[];
};

interface ReferenceRun {
  name: string;
  sampler: SamplerName;
  schedule: ScheduleName;
  options: PipelineOptions;
  cfgRescale: number;
  tolerance: number;
  strength?: number;
  /** Whether diffusers begins with unit noise at unit variance. */
  unit?: boolean;
}

const file = networkPath('avatar.safetensors');
const image = new Image(side, side, new Uint8Array(pixels.buffer));
const mask = new Image(side, side, new Uint8Array(3 * side * side).fill(255, (3 * side * side) / 2));

/** Unit noise at unit variance, in the space of sigmas. */
function unitStart({ info }: Pipeline, schedule: ScheduleName): Float32Array {
  const [sigma] = schedules[schedule](steps, createNoiseModel({ ...info.prediction, betaSchedule: 'scaled_linear' }));
  const unit = torchNoise(seed).normal((4 * side * side) / 16);
  return unit.map((value) => value * Math.sqrt(sigma ** 2 + 1));
}

for (const { name, sampler, schedule, options, cfgRescale, tolerance, strength, unit } of runs) {
  t.test(`${name}: each step as diffusers takes it`, async (t) => {
    await using pipeline = await Pipeline.load(file, { threads: 1, precision: 'f32', ...options });
    const [prompt, negativePrompt] = prompts;
    const text = { prompt, negativePrompt, cfgScale, cfgRescale };
    const request = { ...text, steps, sampler, schedule, seed, rng: 'torch' } as const;
    const run = pipeline.steps({
      ...request,
      ...(strength === undefined ? { width: side, height: side } : { image, strength }),
      ...(unit && { latents: unitStart(pipeline, schedule) }),
    });
    const wanted = reference.f32(name);
    const size = wanted.data.length / wanted.shape[0];
    const errors: number[] = [];
    for await (const { step, latents } of run) {
      errors.push(relativeError(latents, wanted.data.subarray((step - 1) * size, step * size)));
    }
    t.equal(errors.length, wanted.shape[0]);
    const worst = Math.max(...errors);
    t.ok(worst <= tolerance, `relative L2 error ${worst.toExponential(2)} <= ${tolerance}`);
  });
}

const kinds: Record<string, PipelineOptions> = {
  epsilon: { prediction: 'epsilon' },
  'velocity to pure noise': { zeroTerminalSnr: true },
  x0: { prediction: 'x0' },
  'x0 to pure noise': { prediction: 'x0', zeroTerminalSnr: true },
  flow: { prediction: 'flow' },
  'a shifted flow': { prediction: 'flow', flowShift: 3 },
};
const small = { prompt: 'a smiling woman', steps: 4, seed: 7, cfgScale: 3 } as const;
const open = { ...small, width: side, height: side };

t.test('tasks, every schedule and saved runs under each', async (t) => {
  const saved: Uint8Array[] = [];
  for (const [kind, options] of Object.entries(kinds)) {
    await using pipeline = await Pipeline.load(file, { threads: 1, ...options });
    for (const schedule of Object.keys(schedules) as ScheduleName[]) {
      const { images } = await pipeline.txt2img({ ...open, schedule });
      t.ok(new Set(images[0].data).size > 16, `${kind}: a picture over ${schedule}`);
    }
    const { images: large } = await pipeline.txt2img({ ...open, hires: { scale: 1.5, upscaler: 'pixels' } });
    t.match(large[0], { width: 48, height: 48 }, `${kind}: a second pass`);
    const half = image.data.length / 2;
    for (const strength of [0.5, 1]) {
      const { images } = await pipeline.inpaint({ ...small, image, mask, strength });
      t.ok(sameBytes(images[0].data.subarray(0, half), image.data.subarray(0, half)), `${kind}: what a mask keeps`);
      t.notOk(sameBytes(images[0].data.subarray(half), image.data.subarray(half)), `${kind}: what it repaints`);
    }

    const run = pipeline.steps({ ...open, sampler: 'tcd', schedule: 'trailing' });
    await run.next();
    await run.next();
    const bytes = run.save();
    const finish = async (steps: typeof run) => {
      let latents = new Float32Array();
      for await (const step of steps) latents = step.latents as typeof latents;
      return latents;
    };
    const end = await finish(run);
    t.ok(sameBytes(await finish(pipeline.resume(bytes)), end), `${kind}: a run is taken up`);
    for (const other of saved) {
      const error = { code: 'INVALID_REQUEST', message: /^saved: expected a run of this model .*predicting/ };
      t.throws(() => pipeline.resume(other), error, `${kind}: another prediction's run is refused`);
    }
    saved.push(bytes);
  }
});

t.test('parameters say what A1111 would', async (t) => {
  await using zero = await Pipeline.load(file, { threads: 1, zeroTerminalSnr: true });
  t.match((await zero.txt2img(open)).images[0].parameters, /Schedule type: \w+.*, Noise Schedule: Zero Terminal SNR/);
  await using plain = await Pipeline.load(file, { threads: 1 });
  t.notMatch((await plain.txt2img(open)).images[0].parameters, /Noise Schedule/);
});
