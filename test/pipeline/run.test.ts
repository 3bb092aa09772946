/** A run that is watched, steered, saved and taken up again. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import {
  Image,
  Pipeline,
  type PipelineStep,
  type Run,
  type Sampler,
  type SamplerName,
  samplers,
} from '../../lib/index';
import { pack } from '../../lib/pipeline/packing';
import type { AnyRequest } from '../../lib/pipeline/run';
import { sameBytes } from '../support/compare';
import { networkPath } from '../support/safetensors';

const file = networkPath('avatar.safetensors');
const request = { prompt: 'a smiling woman', width: 32, height: 32, steps: 4, seed: 7, cfgScale: 4 } as const;
const pipeline = Pipeline.load(file, { threads: 1 });
t.teardown(async () => (await pipeline).dispose());

/** The steps that a run takes from here on, and its pictures. */
async function finish(run: Run): Promise<{ steps: number[]; images: Image[] }> {
  const steps: number[] = [];
  let last: PipelineStep | undefined;
  for await (const step of run) {
    steps.push(step.step);
    last = step;
  }
  return { steps, images: await last!.decode() };
}

/** Draws to a step, and saves. */
async function saveAt(asked: AnyRequest, at: number): Promise<Uint8Array> {
  const run = (await pipeline).steps(asked);
  for await (const { step } of run) if (step === at) return run.save();
  throw new Error(`there is no step ${at}`);
}

t.test('a run of every sampler goes on to the same bytes', async (t) => {
  for (const sampler of Object.keys(samplers) as SamplerName[]) {
    const schedule = sampler === 'lcm' || sampler === 'tcd' ? 'lcm' : 'karras';
    const asked = { ...request, sampler, schedule, batchSize: 2 } as const;
    const { images } = await finish((await pipeline).steps(asked));
    const resumed = await finish((await pipeline).resume(await saveAt(asked, 2)));
    t.strictSame(resumed.steps, [3, 4], sampler);
    t.ok(
      images.every((image, i) => sameBytes(image.data, resumed.images[i].data)),
      sampler,
    );
    t.equal(resumed.images[1].parameters, images[1].parameters);
  }
});

const picture = new Image(
  32,
  32,
  Uint8Array.from({ length: 3072 }, (_, i) => (i * 7) % 256),
);
const mask = new Image(32, 32, new Uint8Array(3072).fill(255, 1536));

t.test('so do runs of every task', async (t) => {
  const { width: _w, height: _h, ...open } = request;
  const tasks: Record<string, AnyRequest> = {
    'with open seeds': { ...request, seed: undefined, subseedStrength: 0.3, sampler: 'euler_a' },
    'with a seed of 64 bits': { ...request, seed: 2n ** 63n },
    'with latents': { ...request, latents: new Float32Array(256).fill(3) },
    img2img: { ...open, image: picture, strength: 1, sampler: 'dpmpp_sde' },
    inpaint: { ...open, image: picture, mask, strength: 1, maskBlur: 1, sampler: 'euler_a' },
    'a second pass': { ...request, steps: 2, hires: { scale: 1.5, upscaler: 'pixels', steps: 3 }, sampler: 'euler_a' },
    'perturbed attention': { ...request, pagScale: 2, pagLayers: ['up.0'], pagMethod: 'skip' },
    'several prompts': { ...request, prompt: ['a sad man', 'a [cat|dog]'], guidanceInterval: [0.1, 9] },
  };
  for (const [name, asked] of Object.entries(tasks)) {
    for (const at of [1, 3]) {
      const run = (await pipeline).steps(asked);
      let saved: Uint8Array | undefined;
      let last: PipelineStep | undefined;
      for await (const step of run) {
        if (step.step === at) saved = run.save();
        last = step;
      }
      const images = await last!.decode();
      const resumed = await finish((await pipeline).resume(saved!));
      t.ok(
        images.every((image, i) => sameBytes(image.data, resumed.images[i].data)),
        `${name}, from step ${at}`,
      );
      t.equal(resumed.images[0].parameters, images[0].parameters);
    }
  }
});

t.test('a run goes on in another process', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const asked = { ...request, sampler: 'dpmpp_3m_sde', steps: 6 } as const;
  const saved = path.join(folder, 'run');
  writeFileSync(saved, await saveAt(asked, 3));
  const program = `
    const { readFileSync, writeFileSync } = require('node:fs');
    const { Pipeline } = require(${JSON.stringify(path.resolve(__dirname, '..', '..'))});
    (async () => {
      const pipeline = await Pipeline.load(${JSON.stringify(file)}, { threads: 2 });
      let last;
      for await (const step of pipeline.resume(readFileSync(${JSON.stringify(saved)}))) last = step;
      writeFileSync(${JSON.stringify(`${saved}.out`)}, (await last.decode())[0].data);
      await pipeline.dispose();
    })();`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
  const { images } = await finish((await pipeline).steps(asked));
  t.ok(sameBytes(new Uint8Array(readFileSync(`${saved}.out`)), images[0].data));
});

t.test('saved again after it was taken up, and at its end', async (t) => {
  const { images } = await finish((await pipeline).steps(request));
  const second = (await pipeline).resume(await saveAt(request, 1));
  await second.next();
  const third = await finish((await pipeline).resume(second.save()));
  t.strictSame(third.steps, [3, 4]);
  t.ok(sameBytes(third.images[0].data, images[0].data));
  const over = await finish((await pipeline).resume(await saveAt(request, 4)));
  t.strictSame(over.steps, [4], 'a run that is over tells its last step');
  t.ok(sameBytes(over.images[0].data, images[0].data));
  const begun = (await pipeline).steps(request);
  t.ok(
    sameBytes((await finish((await pipeline).resume(begun.save()))).images[0].data, images[0].data),
    'before its first step',
  );
});

t.test('nothing is computed again', async (t) => {
  const { model } = await pipeline;
  const saved = await saveAt(request, 4);
  const { predictNoiseSeconds } = await model.stats();
  await (await pipeline).resume(saved).next();
  t.equal((await model.stats()).predictNoiseSeconds, predictNoiseSeconds);
});

t.test('a run is steered, and what was changed is saved', async (t) => {
  const run = (await pipeline).steps(request);
  let saved: Uint8Array | undefined;
  let last: PipelineStep | undefined;
  for await (const step of run) {
    if (step.step === 2) {
      run.change({ prompt: 'a sad man', cfgScale: 2 });
      saved = run.save();
    }
    last = step;
  }
  const [changed] = await last!.decode();
  const heard: number[] = [];
  const onStep = ({ step }: { step: number }) => {
    heard.push(step);
    return step === 2 ? { prompt: 'a sad man', cfgScale: 2 } : undefined;
  };
  const { images } = await (await pipeline).txt2img({ ...request, onStep });
  t.ok(sameBytes(images[0].data, changed.data), 'as by onStep');
  const resumed = (await pipeline).resume(saved!, { onStep });
  t.ok(sameBytes((await finish(resumed)).images[0].data, changed.data), 'as after it was saved');
  t.strictSame(heard, [1, 2, 3, 4, 3, 4], 'onStep hears of new steps only');
  t.throws(() => run.change({ prompt: ['a', 'b'] }), { code: 'INVALID_REQUEST' });
});

t.test('functions and signals are given anew', async (t) => {
  const mine: Sampler = (...args) => samplers.euler_a(...args);
  const saved = await saveAt({ ...request, sampler: mine, signal: new AbortController().signal }, 2);
  const { images } = await finish((await pipeline).steps({ ...request, sampler: mine }));
  const resumed = await finish((await pipeline).resume(saved, { sampler: mine }));
  t.ok(sameBytes(resumed.images[0].data, images[0].data));
  const p = await pipeline;
  t.throws(() => p.resume(saved), {
    code: 'INVALID_REQUEST',
    message: /^sampler: expected the function that the run had/,
  });
  const aborted = p.resume(saved, { sampler: mine, signal: AbortSignal.abort() });
  await t.rejects(finish(aborted), { code: 'ABORTED' });
});

t.test("what is no saved run, or another model's, is refused", async (t) => {
  const saved = await saveAt(request, 2);
  const p = await pipeline;
  t.throws(() => p.resume(saved.subarray(0, saved.length - 8)), { code: 'FILE_INVALID' });
  t.throws(() => p.resume(new Uint8Array(100)), { code: 'FILE_INVALID' });
  const damaged = Uint8Array.from(saved);
  damaged[saved.length - 5] ^= 1; // in the last answer, where it would draw another picture
  t.throws(() => p.resume(damaged), { code: 'FILE_INVALID', message: /damaged/ });
  t.throws(() => p.resume('run' as never), { code: 'INVALID_REQUEST', message: /^saved: expected the bytes/ });
  t.throws(() => p.resume(saved, { steps: 9 } as object), {
    code: 'INVALID_REQUEST',
    message: /^steps: there is no such/,
  });
  t.throws(() => p.resume(pack({ format: 'another' })), { code: 'FILE_INVALID', message: /got "another"$/ });
  await using other = await Pipeline.load(file, { threads: 1, precision: 'f32' });
  t.throws(() => other.resume(saved), {
    code: 'INVALID_REQUEST',
    message: /^saved: expected a run of this model .*f32/,
  });
});

t.test('leaving the loop ends the work, and a bad request never begins', async (t) => {
  const p = await pipeline;
  const run = p.steps({ ...request, steps: 100 });
  for await (const { step } of run) if (step === 2) break;
  t.strictSame(await run.next(), { value: undefined, done: true });
  t.throws(() => p.steps({ ...request, steps: 0 }), { code: 'INVALID_REQUEST' });
  t.throws(() => p.steps(null as never), { code: 'INVALID_REQUEST', message: /^request: expected an object/ });
  t.throws(() => p.steps({ ...request, mask } as never), {
    code: 'INVALID_REQUEST',
    message: /^image: expected an Image/,
  });
});

t.test('a preview is as cheap as the model allows', async (t) => {
  for await (const { step, preview, decode } of (await pipeline).steps(request)) {
    if (step === 2) t.ok(sameBytes((await preview())[0].data, (await decode())[0].data), 'of an unknown VAE: decoded');
  }
});
