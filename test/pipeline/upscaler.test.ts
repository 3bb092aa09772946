/** Upscalers of ESRGAN's kind against RRDBNet written from its papers, under each naming; tiles; and a second pass that uses one. */
import path from 'node:path';
import t, { type Test } from 'tap';
import { Image, Pipeline, type PlanesShape, Upscaler, type UpscalerOptions } from '../../lib/index';
import { largestDifference, relativeError, sameBytes } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const fixture = (name: string) => path.resolve(__dirname, '..', 'fixtures', 'upscalers', name);
const reference = readFixture(fixture('upscalers.ref.safetensors'));
const { data: pixels, shape: pixelShape } = reference.f32('pixels');
const shape = pixelShape as unknown as PlanesShape;

async function load(t: Test, name: string, options: UpscalerOptions = {}): Promise<Upscaler> {
  const upscaler = await Upscaler.load(fixture(name), { threads: 1, precision: 'f32', ...options });
  t.teardown(() => upscaler.dispose());
  return upscaler;
}

t.test('as RRDBNet computes it, in every naming', async (t) => {
  const scales = { x4: 4, x2: 2, x2_first: 2 };
  for (const [name, scale] of Object.entries(scales)) {
    const upscaler = await load(t, `${name}.safetensors`);
    t.equal(upscaler.scale, scale);
    t.match(upscaler.info, { family: 'upscaler', upscaler: { scale, blocks: 2 } });
    const error = relativeError(await upscaler.upscalePixels(pixels, shape), reference.f32(name).data);
    t.ok(error <= reference.facts.tolerance, `${name}: relative L2 error ${error.toExponential(2)}`);
  }
  const expected = await (await load(t, 'x4.safetensors')).upscalePixels(pixels, shape);
  for (const name of ['x4_esrgan.safetensors', 'x4.pth']) {
    t.ok(sameBytes(await (await load(t, name)).upscalePixels(pixels, shape), expected), name);
  }
  const halves = await load(t, 'x4.safetensors', { precision: 'auto' });
  const error = relativeError(await halves.upscalePixels(pixels, shape), reference.f32('x4').data);
  t.ok(error <= 3e-2, `in the file's 16 bits: ${error.toExponential(2)}`);
});

const side = 200;
const picture = new Image(
  side,
  side,
  Uint8Array.from({ length: side * side * 3 }, (_, i) => 128 + 60 * Math.sin(i / 50) + 60 * Math.cos(i / 6000)),
);

t.test('a picture, in tiles without seams where memory is short', async (t) => {
  const whole = await load(t, 'x4.safetensors');
  const tiled = await load(t, 'x4.safetensors', { memoryBudgetBytes: 16_000_000 });
  const heard: number[] = [];
  const large = await whole.upscale(picture);
  t.match(large, { width: 4 * side, height: 4 * side });
  const inTiles = await tiled.upscale(picture, { onProgress: (fraction) => heard.push(fraction) });
  t.ok(heard.length > 3, `${heard.length} tiles`);
  t.equal(heard.at(-1), 1);
  t.ok(largestDifference(inTiles.data, large.data) <= 2, 'two levels of 255 at most');
  t.ok(sameBytes((await whole.upscale(picture)).data, large.data));
});

t.test('the second pass of a picture', async (t) => {
  const upscaler = await load(t, 'x2.safetensors');
  const pipeline = await Pipeline.load(networkPath('avatar.safetensors'), { threads: 1 });
  t.teardown(() => pipeline.dispose());
  const request = { prompt: 'a smiling woman', width: 32, height: 32, steps: 4, seed: 7 } as const;
  const draw = async (scale: number, chosen: 'pixels' | Upscaler) =>
    (await pipeline.txt2img({ ...request, hires: { scale, upscaler: chosen, strength: 0.5 } })).images[0];
  for (const scale of [2, 1.5]) {
    const drawn = await draw(scale, upscaler);
    t.match(drawn, { width: 32 * scale, height: 32 * scale });
    t.notOk(sameBytes(drawn.data, (await draw(scale, 'pixels')).data));
    t.match(drawn.parameters, /Hires upscaler: ESRGAN/);
  }
  const hires = { upscaler, strength: 0.5 };
  const run = pipeline.steps({ ...request, hires });
  await run.next();
  const saved = run.save();
  await run.return();
  t.throws(() => pipeline.resume(saved), { code: 'INVALID_REQUEST', message: /^hires/ });
  for await (const step of pipeline.resume(saved, { hires })) {
    if (step.step === step.steps) t.ok(sameBytes((await step.decode())[0].data, (await draw(2, upscaler)).data));
  }
});

t.test('what is refused', async (t) => {
  await t.rejects(Upscaler.load(networkPath('avatar.safetensors')), { code: 'MISSING_COMPONENT', message: /upscaler/ });
  await t.rejects(Pipeline.load(fixture('x2.safetensors')), { code: 'MISSING_COMPONENT', message: /an upscaler/ });
  const upscaler = await load(t, 'x2.safetensors');
  await t.rejects(upscaler.upscale({} as Image), { code: 'INVALID_ARGUMENT', message: /^image/ });
  await t.rejects(upscaler.upscale(picture, { onProgress: 1 as never }), { code: 'INVALID_ARGUMENT' });
  await t.rejects(upscaler.upscale(picture, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
  const onProgress = () => {
    throw new Error('enough');
  };
  await t.rejects(upscaler.upscale(picture, { onProgress }), { message: 'enough' });
  await upscaler.dispose();
  await t.rejects(upscaler.upscale(picture), { code: 'DISPOSED' });
});
