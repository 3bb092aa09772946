/** Perturbed-attention and skip-layer guidance against diffusers: every step, and single passes of other UNets. */
import path from 'node:path';
import t from 'tap';
import { Model, type PlanesShape } from '../../lib/model/model';
import { Pipeline } from '../../lib/pipeline/pipeline';
import type { Txt2ImgRequest } from '../../lib/pipeline/request';
import { relativeError } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const file = path.resolve(__dirname, '..', 'fixtures', 'guidance', 'guidance.ref.safetensors');
const reference = readFixture(file);
const { prompts, seed, steps, cfgScale, side, tolerance, runs, timestep, passes } = reference.facts as {
  prompts: [string, string];
  seed: number;
  steps: number;
  cfgScale: number;
  side: number;
  tolerance: number;
  runs: (Partial<Txt2ImgRequest> & { name: string })[];
  timestep: number;
  passes: { model: string; blocks: string[] }[];
};

for (const { name, ...guidance } of runs) {
  t.test(`${name}: each step as diffusers takes it`, async (t) => {
    await using pipeline = await Pipeline.load(networkPath('avatar.safetensors'), { threads: 1, precision: 'f32' });
    const [prompt, negativePrompt] = prompts;
    const text = { prompt, negativePrompt, width: side, height: side, cfgScale };
    const request = { ...text, steps, seed, sampler: 'euler', schedule: 'trailing', rng: 'torch' } as const;
    const wanted = reference.f32(name);
    const size = wanted.data.length / steps;
    const errors: number[] = [];
    for await (const { step, latents } of pipeline.steps({ ...request, ...guidance })) {
      errors.push(relativeError(latents, wanted.data.subarray((step - 1) * size, step * size)));
    }
    t.equal(errors.length, steps);
    const worst = Math.max(...errors);
    t.ok(worst <= tolerance, `relative L2 error ${worst.toExponential(2)} <= ${tolerance}`);

    let last = new Float32Array();
    const without = { ...request, ...guidance, pagScale: 0 };
    for await (const { latents } of pipeline.steps(without)) last = latents as typeof last;
    const effect = relativeError(last, wanted.data.subarray((steps - 1) * size));
    t.ok(effect > 50 * tolerance, `which is not what comes without it: ${effect.toExponential(2)}`);
  });
}

for (const { model: name, blocks } of passes) {
  const inputs = readFixture(networkPath(`${name}.ref.safetensors`));
  t.test(`${name}: a pass with ${blocks.join(', ')} perturbed`, async (t) => {
    const model = await Model.load(networkPath(`${name}.safetensors`), { threads: 1, precision: 'f32' });
    t.teardown(() => model.dispose());
    const { data, shape } = inputs.f32(name === 'ddpm' ? 'pixels.16x16' : 'latents');
    const one: PlanesShape = [1, shape[1], shape[2], shape[3]];
    const first = data.subarray(0, one[1] * one[2] * one[3]);
    const text = name === 'ddpm' ? undefined : inputs.f32('embeddings').data;
    const context = text ? await model.createContext(text.subarray(0, text.length / 2), 1) : null;
    for (const kind of ['identity', 'skip'] as const) {
      const noise = await model.predictNoise(first, one, timestep, context, undefined, { perturbed: { kind, blocks } });
      const error = relativeError(noise, reference.f32(`${name}.${kind}`).data);
      t.ok(error <= tolerance, `${kind}: relative L2 error ${error.toExponential(2)} <= ${tolerance}`);
    }
  });
}
