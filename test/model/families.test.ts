/** The networks of more families against diffusers, as CompVis single files and as diffusers folders (test/fixtures/networks/README.md). */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { inspectModel } from '../../lib/model/inspect';
import { Model, type PlanesShape } from '../../lib/model/model';
import { largestDifference, relativeError } from '../support/compare';
import { toCompVis } from '../support/compvis';
import { configOf, familyParts, writeFolder, writeTensors } from '../support/model-files';
import { networkPath, readFixture } from '../support/safetensors';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const families = {
  sdxl: ['vae', 'text_encoder', 'text_encoder_2'],
  refiner: ['vae', 'text_encoder_2'],
  ssd: ['vae', 'text_encoder', 'text_encoder_2'], // a middle of one residual block, transformers of several depths in a level
  lcm: ['vae', 'text_encoder'], // the guidance scale is an input
  bk: ['vae', 'text_encoder'], // no middle
};
const tolerances = { f32: 1e-4, auto: 5e-2, bf16: 3e-2, q8_0: 6e-2 };

for (const [name, others] of Object.entries(families)) {
  const parts = familyParts(name, others);
  const compVis = toCompVis(parts.tensors, configOf(parts).unet.layers_per_block);
  const forms = {
    'a single file': writeTensors(path.join(folder, `${name}.safetensors`), { ...parts, tensors: compVis }),
    'a folder': writeFolder(path.join(folder, name), parts),
  };
  const reference = readFixture(networkPath(`${name}.ref.safetensors`));
  const texts = readFixture(networkPath('sdxl.ref.safetensors'));
  const { timestep, guidance } = reference.facts;

  for (const [form, file] of Object.entries(forms)) {
    for (const [precision, tolerance] of Object.entries(form === 'a folder' ? { f32: 1e-4 } : tolerances)) {
      t.test(`${name} as ${form} in ${precision}`, async (t) => {
        const model = await Model.load(file, { precision, threads: 1 });
        t.teardown(() => model.dispose());
        const close = (actual: Float32Array, expected: Float32Array, what: string) => {
          const error = relativeError(actual, expected);
          t.ok(error <= tolerance, `${what}: relative L2 error ${error.toExponential(2)} <= ${tolerance}`);
        };

        const pooled = reference.has('pooled') ? reference.f32('pooled').data : undefined;
        const addition = pooled ? { pooled, sizeNumbers: reference.f32('sizes').data } : null;
        const context = await model.createContext(reference.f32('context').data, 2, undefined, addition);
        const latents = reference.f32('latents');
        const shape = latents.shape as unknown as PlanesShape;
        const options = guidance === undefined ? null : { guidance };
        const noise = await model.predictNoise(latents.data, shape, timestep, context, undefined, options);
        close(noise, reference.f32('noise.grid').data, 'noise');

        if (!others.includes('text_encoder_2')) return;
        const second = await model.encodeTextWith(2, texts.i32('ids_2').data, 2, 1);
        const width = model.info.textEncoder2!.width;
        const [rows, tokens, all] = texts.f32('negative.embeddings').shape;
        const wanted = texts.f32('negative.embeddings').data;
        const secondOf = Float32Array.from({ length: rows * tokens * width }, (_, i) => {
          return wanted[Math.floor(i / width) * all + all - width + (i % width)];
        });
        close(second.embeddings.slice(0, secondOf.length), secondOf, 'the layer before the last of the second encoder');
        close(second.pooled!.slice(0, 12), texts.f32('negative.pooled').data, 'pooled text');
        close(second.pooled!.slice(12), texts.f32('negative.negative_pooled').data, 'pooled text of the other row');
      });
    }
  }

  t.test(`${name}: rows of a context do not depend on each other, nor on threads`, async (t) => {
    for (const precision of ['f32', 'auto']) {
      const noiseOf = async (threads: number, rows: number[]) => {
        const model = await Model.load(forms['a single file'], { precision, threads });
        const pick = (tensor: string) => {
          const { data } = reference.f32(tensor);
          const size = data.length / 2;
          return Float32Array.from(rows.flatMap((row) => [...data.subarray(row * size, (row + 1) * size)]));
        };
        const addition = reference.has('pooled') ? { pooled: pick('pooled'), sizeNumbers: pick('sizes') } : null;
        const context = await model.createContext(pick('context'), rows.length, undefined, addition);
        const options = guidance === undefined ? null : { guidance };
        const { data, shape } = reference.f32('latents');
        const noise = await model.predictNoise(data, shape as never, timestep, context, undefined, options);
        await model.dispose();
        return noise;
      };
      const both = await noiseOf(1, [0, 1]);
      const alone = await noiseOf(3, [1]);
      t.equal(largestDifference(both.slice(both.length / 2), alone), 0, precision);
    }
  });
}

t.test('what a file is recognised as', async (t) => {
  const infoOf = (name: string) => inspectModel(path.join(folder, `${name}.safetensors`));
  t.match(await infoOf('sdxl'), {
    ...{ family: 'custom', zeroEmptyNegative: true, pictureSize: 32, padToken: 'end', vae: { downscale: 4 } },
    unet: { addition: { pooledWidth: 12, sizeNumbers: 6 }, takesGuidance: false },
    textEncoder2: { projectionWidth: 12 },
  });
  t.match(await infoOf('refiner'), { zeroEmptyNegative: false, unet: { addition: { sizeNumbers: 5 } } });
  t.match(await infoOf('lcm'), { unet: { takesGuidance: true }, components: { textEncoder2: false } });
});

/** A file of these tensors' names and shapes without a configuration, all zeros that take no room on the disk. */
function writeShapes(name: string, tensors: readonly { name: string; shape: number[] }[]): string {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const { name, shape } of tensors) {
    const end = at + 2 * shape.reduce((a, b) => a * b);
    header[name] = { dtype: 'F16', shape, data_offsets: [at, end] };
    at = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const file = path.join(folder, `${name}-shapes.safetensors`);
  writeFileSync(file, Buffer.concat([size, text]));
  truncateSync(file, 8 + text.length + at);
  return file;
}

t.test('full-sized single files without a configuration', { skip: process.platform === 'win32' }, async (t) => {
  const shapes = require('../../bench/model-shapes.cjs');
  const epsilon = { prediction: { type: 'epsilon' } };
  t.match(await inspectModel(writeShapes('sd15', shapes.sd15())), {
    ...{ ...epsilon, family: 'sd1', title: 'Stable Diffusion 1', pictureSize: 512, padToken: 'end' },
    ...{ parameters: 1066235307, vae: { scalingFactor: Math.fround(0.18215) } },
  });
  const sd21 = shapes.sd21();
  t.match(await inspectModel(writeShapes('sd21', sd21)), {
    ...{ prediction: { type: 'v_prediction' }, family: 'sd2', pictureSize: 768, padToken: 'zero' },
    ...{ skippedTextLayers: 1, textEncoder: { heads: 16 } },
  });
  const isFirst = (name: string) => name === 'model.diffusion_model.input_blocks.0.0.weight';
  const inpainting = sd21.map((tensor: { name: string; shape: number[] }) =>
    isFirst(tensor.name) ? { ...tensor, shape: [320, 9, 3, 3] } : tensor,
  );
  t.match(await inspectModel(writeShapes('sd2-inpainting', inpainting)), {
    ...epsilon,
    family: 'sd2',
    pictureSize: 512,
  });
  t.match(await inspectModel(writeShapes('sdxl', shapes.sdxl())), {
    ...{ ...epsilon, family: 'sdxl', pictureSize: 1024, zeroEmptyNegative: true, padToken: 'end' },
    ...{ parameters: 3468837867, vae: { scalingFactor: Math.fround(0.13025) } },
    unet: { contextWidth: 2048, addition: { pooledWidth: 1280, sizeNumbers: 6 }, blockChannels: [320, 640, 1280] },
    ...{ textEncoder: { heads: 12 }, textEncoder2: { heads: 20, projectionWidth: 1280, layers: 32 } },
  });
});

t.test('what a model lacks is said together with what it is', async (t) => {
  const parts = familyParts('sdxl', families.sdxl);
  const without = (name: string, gone: (tensor: string) => boolean) => {
    const tensors = new Map([...parts.tensors].filter(([tensor]) => !gone(tensor)));
    return writeTensors(path.join(folder, name), { ...parts, tensors });
  };
  const cases: [file: string, message: RegExp][] = [
    [
      without('a.safetensors', (tensor) => tensor === 'unet.add_embedding.linear_2.bias'),
      /linear_2\.bias.*recognised as/,
    ],
    [without('b.safetensors', (tensor) => tensor.startsWith('unet.mid_block.')), /mid_block.*recognised as/],
    [without('c.safetensors', (tensor) => tensor === 'text_encoder_2.text_projection.weight'), /text_projection/],
    [without('d.safetensors', (tensor) => tensor.startsWith('unet.up_blocks.1.attentions.1.')), /attentions\.1/],
  ];
  for (const [file, message] of cases)
    await t.rejects(Model.load(file, { threads: 1 }), { code: 'MISSING_TENSOR', message });
});

t.test('calls that do not fit the family', async (t) => {
  const model = await Model.load(path.join(folder, 'sdxl.safetensors'), { threads: 1 });
  t.teardown(() => model.dispose());
  const [embeddings, latents] = [new Float32Array(77 * 40), new Float32Array(4 * 8 * 8)];
  const addition = { pooled: new Float32Array(12), sizeNumbers: new Float32Array(6) };
  const context = await model.createContext(embeddings, 1, undefined, addition);
  const refused: [message: RegExp, call: () => Promise<unknown>][] = [
    [/^addition: expected pooled text/, () => model.createContext(embeddings, 1)],
    [/^pooled: expected 12/, () => model.createContext(embeddings, 1, undefined, { ...addition, pooled: latents })],
    [
      /^sizeNumbers: expected 6 values, but got 5/,
      () => model.createContext(embeddings, 1, undefined, { ...addition, sizeNumbers: new Float32Array(5) }),
    ],
    [/^sizeNumbers: /, () => model.createContext(embeddings, 1, undefined, { pooled: addition.pooled } as never)],
    [
      /^guidance: expected none/,
      () => model.predictNoise(latents, [1, 4, 8, 8], 1, context, undefined, { guidance: 7 }),
    ],
    [/^encoder: expected 1 or 2, but got 3/, () => model.encodeTextWith(3 as 2, new Int32Array(77), 1)],
  ];
  for (const [message, call] of refused) await t.rejects(call, { code: 'INVALID_ARGUMENT', message });
  const lcm = await Model.load(path.join(folder, 'lcm.safetensors'), { threads: 1 });
  t.teardown(() => lcm.dispose());
  const plain = await lcm.createContext(new Float32Array(77 * 16), 1);
  const message = /^guidance: expected a scale/;
  await t.rejects(lcm.predictNoise(latents, [1, 4, 8, 8], 1, plain), { code: 'INVALID_ARGUMENT', message });
  await t.rejects(lcm.encodeTextWith(2, new Int32Array(77), 1), { code: 'MISSING_COMPONENT' });
});
