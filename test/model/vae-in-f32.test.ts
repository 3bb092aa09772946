/** A picture whose decoding overflows in the model's precision is never black: it is decoded again in f32, and that is said. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { Model } from '../../lib/model/model';
import { sameBytes } from '../support/compare';
import { familyParts, writeTensors } from '../support/model-files';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

/**
 * A VAE in f32 with a weight that bf16 rounds to infinity, on a channel that is always 0: in f32 it adds nothing, in bf16 it is infinity
 * times 0, no number.
 */
function overflowing(stage: 'decoder' | 'encoder', value: number): string {
  const parts = familyParts('bk', ['vae']);
  const tensors = new Map(
    [...parts.tensors]
      .filter(([name]) => name.startsWith('vae.'))
      .map(([name, { shape, data }]) => {
        const halves = new Uint16Array(new Uint8Array(data).buffer);
        return [name, { dtype: 'F32', shape, data: Buffer.from(Float32Array.from(halves, fromHalf).buffer) }];
      }),
  );
  const set = (name: string, at: (i: number, row: number) => boolean, to: number) => {
    const tensor = tensors.get(`vae.${stage}.${name}`)!;
    const values = new Float32Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length / 4);
    const row = values.length / tensor.shape[0];
    values.forEach((_, i) => {
      if (at(i, row)) values[i] = to;
    });
  };
  // Channel 0 of the first residual block's second norm is 0, and the convolution behind it has the weight.
  const block = stage === 'decoder' ? 'up_blocks.0.resnets.0' : 'down_blocks.0.resnets.0';
  set(`${block}.norm2.weight`, (i) => i === 0, 0);
  set(`${block}.norm2.bias`, (i) => i === 0, 0);
  set(`${block}.conv2.weight`, (i, row) => i % row === 0, value);
  return writeTensors(path.join(folder, `${stage}-${value}.safetensors`), { tensors, metadata: parts.metadata });
}

function fromHalf(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? (fraction / 1024) * 2 ** -14 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

const largest = 3.4e38; // an f32, but above what bf16 can hold
const latents = Float32Array.from({ length: 2 * 4 * 5 * 4 }, (_, i) => Math.sin(0.7 * i));
const pixels = Float32Array.from({ length: 3 * 16 * 12 }, (_, i) => Math.sin(0.3 * i));

/** What was warned of while `work` ran. */
async function warningsOf(work: () => Promise<unknown>): Promise<string[]> {
  const heard: string[] = [];
  const hear = (warning: Error & { code?: string }) => void heard.push(warning.code ?? warning.name);
  process.on('warning', hear);
  await work();
  await new Promise(setImmediate);
  process.off('warning', hear);
  return heard;
}

for (const stage of ['decoder', 'encoder'] as const) {
  t.test(`the ${stage}`, async (t) => {
    const run = (model: Model) =>
      stage === 'decoder' ? model.decodeLatents(latents, [2, 4, 5, 4]) : model.encodeImage(pixels, [1, 3, 16, 12]);
    const file = overflowing(stage, largest);
    const exact = await Model.load(file, { threads: 1, precision: 'f32' });
    const packed = await Model.load(file, { threads: 1, precision: 'bf16' });
    t.teardown(() => Promise.all([exact.dispose(), packed.dispose()]));
    const wanted = await run(exact);
    t.ok(wanted.every(Number.isFinite));
    let got = new Float32Array();
    const heard = await warningsOf(async () => {
      got = (await run(packed)) as typeof got;
    });
    t.ok(sameBytes(got, wanted), 'the bytes of f32');
    // A CPU that does not multiply bf16 computes in f32 to begin with.
    const isPacked = stage === 'decoder' ? (await packed.stats()).decodeOperations.bf16 > 0 : heard.length > 0;
    t.strictSame(heard, isPacked ? ['ND_VAE_IN_F32'] : []);
    t.strictSame(await warningsOf(() => run(exact)), [], 'f32 itself has nothing to say');
  });

  t.test(`the ${stage} where f32 does not help`, async (t) => {
    const file = overflowing(stage, Number.POSITIVE_INFINITY);
    for (const precision of ['f32', 'bf16']) {
      const model = await Model.load(file, { threads: 1, precision });
      const run =
        stage === 'decoder' ? model.decodeLatents(latents, [2, 4, 5, 4]) : model.encodeImage(pixels, [1, 3, 16, 12]);
      await t.rejects(run, { code: 'COMPUTE_FAILED', message: /not numbers/ }, precision);
      await model.dispose();
    }
  });
}

t.test('latents that are no numbers are told from it', async (t) => {
  const model = await Model.load(overflowing('decoder', 0), { threads: 1 });
  t.teardown(() => model.dispose());
  const bad = latents.slice().fill(Number.NaN, 7, 8);
  await t.rejects(model.decodeLatents(bad, [2, 4, 5, 4]), { code: 'COMPUTE_FAILED', message: /given are not numbers/ });
});
