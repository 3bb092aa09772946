/** Whole tasks against diffusers' pipelines: what they draw from text, from a picture, and under a mask. */
import path from 'node:path';
import t from 'tap';
import { Image, Pipeline, type SamplerName, type ScheduleName, torchNoise } from '../../lib/index';
import { networkPath, readFixture } from '../support/safetensors';

const folder = path.resolve(__dirname, '..', 'fixtures', 'tasks');
const reference = readFixture(path.join(folder, 'tasks.ref.safetensors'));
const { prompts, seed, steps, cfgScale, side, tolerance, runs } = reference.facts as {
  prompts: [string, string];
  seed: number;
  steps: number;
  cfgScale: number;
  side: number;
  tolerance: { levels: number; share: number };
  runs: Run[];
};

interface Run {
  name: string;
  model: 'avatar' | 'inpainting';
  task: 'txt2img' | 'img2img' | 'inpaint';
  sampler: SamplerName;
  schedule: ScheduleName;
  strength: number;
  /** What diffusers multiplies unit noise with to begin from noise alone. */
  initNoiseSigma: number;
}

const bytes = (name: string) => new Uint8Array(reference.i32(name).data.buffer);
const image = new Image(side, side, bytes('image'));
const white = bytes('mask');
const mask = new Image(
  side,
  side,
  Uint8Array.from({ length: 3 * side * side }, (_, i) => white[Math.floor(i / 3)]),
);
const files = { avatar: networkPath('avatar.safetensors'), inpainting: path.join(folder, 'inpainting.safetensors') };

async function draw(pipeline: Pipeline, { task, sampler, schedule, strength, initNoiseSigma }: Run): Promise<Image> {
  const [prompt, negativePrompt] = prompts;
  const request = { prompt, negativePrompt, steps, cfgScale, sampler, schedule, seed, rng: 'torch' } as const;
  if (task === 'img2img') return (await pipeline.img2img({ ...request, image, strength })).images[0];
  if (task === 'inpaint') return (await pipeline.inpaint({ ...request, image, mask, strength })).images[0];
  if (initNoiseSigma > 1) return (await pipeline.txt2img({ ...request, width: side, height: side })).images[0];
  // These begin in the variance-preserving form with unit noise, which is sqrt(sigma^2 + 1) of it in ours.
  let sigma = 0;
  const one = { ...request, width: side, height: side, steps };
  for await (const step of pipeline.steps({
    ...one,
    sampler: async function* (_d, x, [first]) {
      sigma = first;
      yield { x, denoised: x };
    },
  })) {
    if (step.step === 1) break; // it has told its first sigma
  }
  const unit = torchNoise(seed).normal((4 * side * side) / 16);
  const latents = unit.map((value) => value * Math.sqrt(sigma ** 2 + 1));
  return (await pipeline.txt2img({ ...one, latents })).images[0];
}

for (const model of ['avatar', 'inpainting'] as const) {
  t.test(model, async (t) => {
    const pipeline = await Pipeline.load(files[model], { threads: 1, precision: 'f32' });
    t.teardown(() => pipeline.dispose());
    for (const run of runs.filter((run) => run.model === model)) {
      const drawn = (await draw(pipeline, run)).data;
      const wanted = bytes(run.name);
      // Where nothing is repainted the original stands: only the rest tells anything.
      const told = drawn.map((_, i) => Number(run.task !== 'inpaint' || white[Math.floor(i / 3)] > 0));
      const count = told.reduce((sum, is) => sum + is, 0);
      const near = drawn.filter((value, i) => told[i] && Math.abs(value - wanted[i]) <= tolerance.levels).length;
      t.ok(
        near / count >= tolerance.share,
        `${run.task}, ${run.sampler} over ${run.schedule}: ${((100 * near) / count).toFixed(2)} % within 1/255`,
      );
      if (run.task === 'inpaint') {
        t.ok(
          drawn.every((value, i) => told[i] || value === image.data[i]),
          'what the mask keeps is the original, to the bit',
        );
      }
    }
  });
}
