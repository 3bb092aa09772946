/** Every family in every format, precision and task that the guide's table (docs/guides/models.md) says yes to. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { ControlNet, convertModel, Image, Lora, Pipeline } from '../../lib/index';
import { controlNetFor, loraFor } from '../support/companions';
import { sameBytes } from '../support/compare';
import { toCompVis } from '../support/compvis';
import { configOf, familyParts, readTensors, writeFolder, writeTensors } from '../support/model-files';
import { networkPath } from '../support/safetensors';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

/** Tiny models of each family, as the single file that they are distributed as. */
const xl = ['vae', 'text_encoder', 'text_encoder_2'];
const families: Record<string, () => string> = {
  'Stable Diffusion 1': () => speaking('sd1'),
  '1, inpainting': () => path.resolve(__dirname, '..', 'fixtures', 'tasks', 'inpainting.safetensors'),
  '1, LCM': () => single('lcm', ['vae', 'text_encoder']),
  '1, BK-SDM': () => single('bk', ['vae', 'text_encoder']),
  'Stable Diffusion 2': () => speaking('sd2'),
  'Stable Diffusion XL': () => single('sdxl', xl),
  'XL, refiner': () => single('refiner', ['vae', 'text_encoder_2']),
  'XL, SSD-1B': () => single('ssd', xl),
};

function single(name: string, others: string[]): string {
  const parts = familyParts(name, others);
  const tensors = toCompVis(parts.tensors, configOf(parts).unet.layers_per_block);
  return writeTensors(path.join(folder, `${name}.safetensors`), { ...parts, tensors });
}

/** A fixture whose few tokens make no vocabulary, with that of another: its rows come again and again. */
function speaking(name: string): string {
  const { tensors, metadata } = readTensors(networkPath(`${name}.safetensors`));
  const { metadata: other, tensors: others } = readTensors(networkPath('avatar.safetensors'));
  const [table, words] = [tensors, others].map((all) => [...all].find(([key]) => key.includes('token_embedding'))!);
  const [tokens, width] = [words[1].shape[0], table[1].shape[1]];
  const rows = Array<Buffer>(Math.ceil(tokens / table[1].shape[0])).fill(table[1].data);
  const data = Buffer.concat(rows).subarray(0, 2 * tokens * width);
  tensors.set(table[0], { ...table[1], shape: [tokens, width], data });
  const merges = { 'node-diffusion.merges': other['node-diffusion.merges'] };
  return writeTensors(path.join(folder, `${name}.safetensors`), { tensors, metadata: { ...metadata, ...merges } });
}

/** The same model in other formats. */
const formats: Record<string, (single: string, name: string) => Promise<string>> = {
  'single file': async (file) => file,
  folder: async (file, name) => writeFolder(path.join(folder, name), await canonical(file, name)),
  'folder of .bin': async (file, name) =>
    writeFolder(path.join(folder, `${name} bin`), await canonical(file, name), {}, true),
  GGUF: async (file, name) => {
    await convertModel(file, path.join(folder, `${name}.gguf`));
    return path.join(folder, `${name}.gguf`);
  },
};

async function canonical(file: string, name: string) {
  const output = path.join(folder, `${name} converted.safetensors`);
  await convertModel(file, output);
  return readTensors(output);
}

/** Each with how far bytes may lie from those in f32, in the mean: the weights are random, and forgive less than trained ones. */
const precisions = { f32: 0, f16: 0, bf16: 16, q8_0: 16, q4_0: 64 };

const [side, prompt] = [32, 'a smiling woman'];
const request = { prompt, steps: 2, seed: 1, width: side, height: side };
const picture = new Image(
  side,
  side,
  Uint8Array.from({ length: 3 * side * side }, (_, i) => i % 251),
);
const mask = new Image(side, side, new Uint8Array(3 * side * side).fill(255, side * side));

/** What is loaded beside a family's model, made of its UNet's tensors. */
interface Companions {
  lora: Lora;
  net: ControlNet;
}

const tasks: Record<string, (pipeline: Pipeline, companions: Companions) => Promise<{ images: Image[] }>> = {
  txt2img: (pipeline) => pipeline.txt2img(request),
  img2img: (pipeline) => pipeline.img2img({ ...request, image: picture, strength: 0.5 }),
  inpaint: (pipeline) => pipeline.inpaint({ ...request, image: picture, mask }),
  outpaint: (pipeline) => pipeline.outpaint({ prompt, steps: 2, seed: 1, image: picture, left: side }),
  hires: (pipeline) => pipeline.txt2img({ ...request, hires: { scale: 2 } }),
  PAG: (pipeline) =>
    pipeline.txt2img({ ...request, pagScale: 3, pagLayers: pipeline.info.unet!.attentionBlocks.slice(0, 1) }),
  batch: (pipeline) => pipeline.txt2img({ ...request, prompt: [prompt, 'a hat AND a beard'], batchSize: 2 }),
  LoRA: (pipeline, { lora }) => pipeline.txt2img({ ...request, adapters: [{ lora, weight: 0.8 }] }),
  ControlNet: (pipeline, { net }) => pipeline.txt2img({ ...request, control: [{ net, image: picture }] }),
};
const refused: Record<string, readonly string[]> = { 'XL, refiner': ['ControlNet'] };
const columns = [formats, precisions, tasks].flatMap((group) => Object.keys(group));
const sizes: Record<string, [pictures: number, width: number, height: number]> = {
  outpaint: [1, 2 * side, side],
  hires: [1, 2 * side, 2 * side],
  batch: [4, side, side],
};

const far = (a: Uint8Array, b: Uint8Array) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
const rows: string[] = [];

for (const [family, file] of Object.entries(families)) {
  t.test(family, async (t) => {
    const source = file();
    const draw = async (model: string, precision: string) => {
      await using pipeline = await Pipeline.load(model, { precision, threads: 1 });
      return { info: pipeline.info, ...(await pipeline.txt2img(request)).images[0] };
    };
    const reference = await draw(source, 'f32');

    for (const [format, write] of Object.entries(formats)) {
      const { data, info } = await draw(await write(source, family), 'f32');
      t.ok(sameBytes(data, reference.data), format);
      t.equal(info.family, reference.info.family);
    }

    const parts = await canonical(source, family);
    const { latentChannels, downscale } = reference.info.vae!;
    const lora = await Lora.load(writeTensors(path.join(folder, `${family} lora.safetensors`), loraFor(parts)));
    const net = await ControlNet.load(
      writeTensors(path.join(folder, `${family} control.safetensors`), controlNetFor(parts, latentChannels, downscale)),
      { precision: 'f32', threads: 1 },
    );
    t.teardown(() => net.dispose());

    for (const [precision, most] of Object.entries(precisions)) {
      const { data: plain } = await draw(source, precision);
      const distance = far(plain, reference.data);
      t.ok(distance <= most, `${precision}: ${distance.toFixed(2)} of 255 from f32`);
      for (const [task, run] of Object.entries(tasks)) {
        const bytes = async (threads: number) => {
          await using pipeline = await Pipeline.load(source, { precision, threads });
          const { images } = await run(pipeline, { lora, net });
          const [pictures, width, height] = sizes[task] ?? [1, side, side];
          t.same(
            [images.length, images[0].width, images[0].height],
            [pictures, width, height],
            `${task} in ${precision}`,
          );
          return images.at(-1)!.data;
        };
        if (refused[family]?.includes(task)) {
          await t.rejects(bytes(1), { code: 'INVALID_REQUEST' }, `${task} is refused`);
          continue;
        }
        const drawn = await bytes(1);
        t.ok(new Set(drawn).size > 1, 'it is no plain colour');
        t.equal(sameBytes(drawn, plain), task === 'txt2img', `${task} is a picture of its own`);
        t.ok(sameBytes(drawn, await bytes(2)), 'with two threads as with one');
      }
    }
    const cells = columns.map((column) => (refused[family]?.includes(column) ? 'no' : 'yes'));
    if (t.passing()) rows.push(`| ${[family, ...cells].join(' | ')} |`);
  });
}

t.test('the guide says the same', async (t) => {
  const guide = readFileSync(path.resolve(__dirname, '..', '..', 'docs', 'guides', 'models.md'), 'utf8');
  const table = [`| | ${columns.join(' | ')} |`, `|---|${'---|'.repeat(columns.length)}`, ...rows].join('\n');
  t.equal(rows.length, Object.keys(families).length);
  t.ok(guide.includes(table), `expected in docs/guides/models.md:\n${table}`);
});
