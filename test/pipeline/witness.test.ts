/** Hashes of stages: they are of what they say, the same wherever the bytes are, and tell what differs. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { Pipeline, type StageHashes, type Txt2ImgRequest } from '../../lib/index';
import { networkPath } from '../support/safetensors';

const file = networkPath('avatar.safetensors');
const request = { prompt: 'a cat', width: 32, height: 32, steps: 3, seed: 7, cfgScale: 4, deterministic: true };

const hashOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array) =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex')
    .slice(0, 16);

t.test('each stage is hashed as the caller sees it', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const latents: string[] = [];
  const onStep = (step: { latents: Float32Array }) => void latents.push(hashOf(step.latents));
  const { images, hashes } = await pipeline.txt2img({ ...request, batchSize: 2, onStep });
  t.strictSame(hashes?.steps, latents);
  t.strictSame(
    hashes?.pixels,
    images.map(({ data }) => hashOf(data)),
  );
  const own = new Float32Array(4 * 8 * 8).fill(0.5);
  const { hashes: ofOwn } = await pipeline.txt2img({ ...request, latents: own });
  t.strictSame(ofOwn?.start, [hashOf(own)]);
  const plain = await pipeline.txt2img({ ...request, batchSize: 2, deterministic: false });
  t.notOk('hashes' in plain, 'only where they are asked for');
  t.strictSame(
    plain.images.map(({ data }) => hashOf(data)),
    hashes?.pixels,
    'of the same pictures',
  );
  await t.rejects(pipeline.txt2img({ ...request, deterministic: 1 as never }), {
    code: 'INVALID_REQUEST',
    message: /^deterministic: expected true or false/,
  });

  const run = pipeline.steps(request);
  for await (const { step } of run) t.equal(run.hashes?.steps.length, step);
  t.strictSame({ ...(await pipeline.txt2img(request)).hashes, pixels: [] }, run.hashes, 'a run tells them too');
});

t.test('they do not depend on threads or company, and show where two requests part', async (t) => {
  await using one = await Pipeline.load(file, { threads: 1 });
  await using two = await Pipeline.load(file, { threads: 2 });
  const hash = async (changes: Partial<Txt2ImgRequest>, pipeline = one) =>
    (await pipeline.txt2img({ ...request, ...changes })).hashes as StageHashes;
  const hashes = await hash({});
  t.strictSame(await hash({}, two), hashes);
  t.strictSame((await Promise.all([hash({}), hash({ prompt: 'a dog' })]))[0], hashes, 'beside another request');
  t.match(await hash({ seed: 8 }), { text: hashes.text, start: [not(hashes.start[0])], steps: [not(hashes.steps[0])] });
  t.match(await hash({ prompt: 'a dog' }), { text: [not(hashes.text[0])], start: hashes.start });
  t.match(await hash({ cfgScale: 5 }), { text: hashes.text, start: hashes.start, steps: [not(hashes.steps[0])] });
  const hires = await hash({ hires: { scale: 2 } });
  t.match(hires, { start: [hashes.start[0], String], steps: { length: 3 + 2 } });

  function not(hash: string) {
    return new RegExp(`^(?!${hash})[0-9a-f]{16}$`);
  }
});

t.test('an unconditional model has no text', async (t) => {
  await using pipeline = await Pipeline.unconditional(networkPath('ddpm.safetensors'), { threads: 1 });
  const draw = () => pipeline.generate({ steps: 2, seed: 7, deterministic: true });
  const { hashes } = await draw();
  t.match(hashes, { text: [], start: { length: 1 }, steps: { length: 2 }, pixels: { length: 1 } });
  t.strictSame((await draw()).hashes, hashes);
});
