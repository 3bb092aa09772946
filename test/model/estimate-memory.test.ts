/** What a request is said to need, against the engine's own figures after it. */
import path from 'node:path';
import t from 'tap';
import { estimateMemory, Pipeline, UnconditionalPipeline } from '../../lib/index';

const networks = path.resolve(__dirname, '..', 'fixtures', 'networks');

t.test('weights and compute buffer are those of the request, to the byte', async (t) => {
  for (const [name, precision, batchSize] of [
    ['avatar.safetensors', 'auto', 1],
    ['avatar.safetensors', 'q4_0', 2],
    ['avatar.safetensors', 'f32', 1],
  ] as const) {
    const model = path.join(networks, name);
    const size = { width: 128, height: 64, batchSize };
    const estimate = await estimateMemory(model, { ...size, precision, threads: 1 });
    await using pipeline = await Pipeline.load(model, { precision, threads: 1 });
    await pipeline.txt2img({ ...size, prompt: 'a', negativePrompt: 'b', steps: 1, seed: 1, cfgScale: 5 });
    const { computeBytes } = await pipeline.model.stats();
    t.match(estimate, { weightBytes: pipeline.model.info.weightBytes, computeBytes }, `${name} ${precision}`);
    t.equal(estimate.totalBytes, estimate.weightBytes + estimate.computeBytes + estimate.otherBytes);
    t.equal(estimate.computeBytes, Math.max(...Object.values(estimate.stages)));
  }
});

t.test('unconditional', async (t) => {
  const model = path.join(networks, 'ddpm.safetensors');
  const estimate = await estimateMemory(model, { width: 16, height: 16, batchSize: 2, threads: 1 });
  await using pipeline = await UnconditionalPipeline.load(model, { threads: 1 });
  await pipeline.generate({ width: 16, height: 16, batchSize: 2, steps: 1, seed: 1 });
  const { computeBytes } = await pipeline.model.stats();
  t.match(estimate, { weightBytes: pipeline.model.info.weightBytes, computeBytes });
});

t.test('without a size, that of the model', async (t) => {
  for (const [name, side] of [
    ['ddpm.safetensors', 16],
    ['sd1.safetensors', 64],
  ] as const) {
    const model = path.join(networks, name);
    const own = await estimateMemory(model, { threads: 1 });
    t.strictSame(own, await estimateMemory(model, { threads: 1, width: side, height: side }), name);
    const wide = await estimateMemory(model, { threads: 1, width: 2 * side });
    t.strictSame(wide, await estimateMemory(model, { threads: 1, width: 2 * side, height: side }), name);
  }
});

t.test('more of everything needs more', async (t) => {
  const model = path.join(networks, 'sd1.safetensors');
  const total = async (options: object) => (await estimateMemory(model, { ...options, threads: 1 })).totalBytes;
  const plain = await total({ width: 256, height: 256 });
  t.ok((await total({ width: 512, height: 256 })) > plain);
  t.ok((await total({ width: 256, height: 256, batchSize: 4 })) > plain);
  t.ok((await total({ width: 256, height: 256, precision: 'f32' })) > plain);
  t.ok((await total({ width: 256, height: 256, promptWindows: 3 })) > plain);
  const { stages } = await estimateMemory(model, { width: 256, height: 256, task: 'img2img' });
  t.ok(stages.encode > 0);
});

t.test('bad options', async (t) => {
  const model = path.join(networks, 'sd1.safetensors');
  const bad = [
    ...[{ width: 0 }, { width: 65 }, { height: 1e6 }, { batchSize: 1.5 }, { batchSize: 1e9 }, { task: 'upscale' }],
    ...[{ precision: 1 }, { precision: 'q99' }, { guidance: 1 }, { promptWindows: 99 }, { threads: 0 }],
    { memoryBudgetBytes: -1 },
  ];
  for (const options of bad) {
    await t.rejects(estimateMemory(model, options as object), { code: 'INVALID_ARGUMENT' }, JSON.stringify(options));
  }
  await t.rejects(estimateMemory('nowhere'), { code: 'FILE_NOT_FOUND' });
});
