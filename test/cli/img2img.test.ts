/** `node-diffusion img2img` and `inpaint`: what they write, say, and return. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { ControlNet, Image, Pipeline } from '../../lib/index';
import { sameBytes } from '../support/compare';
import { networkPath } from '../support/safetensors';
import { run } from './run';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const file = networkPath('avatar.safetensors');
const small = ['a sad man', '--model', file, '--threads', '1', '--steps', '4', '--seed', '5'];
const out = (name: string) => path.join(folder, name);
const picture = new Image(
  32,
  24,
  Uint8Array.from({ length: 32 * 24 * 3 }, (_, i) => (i * 7) % 256),
);
const mask = new Image(32, 24, new Uint8Array(32 * 24 * 3).fill(255, 0, 32 * 12 * 3));

t.before(async () => {
  await picture.save(out('in.png'));
  await mask.save(out('mask.png'));
});

t.test('what the pipeline draws is what is written', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const request = { prompt: 'a sad man', image: picture, steps: 4, seed: 5 };

  const img2img = await run([
    'img2img',
    ...small,
    '-i',
    out('in.png'),
    '--strength',
    '0.5',
    '-o',
    out('a.png'),
    '--json',
  ]);
  t.equal(img2img.code, 0, img2img.stderr);
  t.match(JSON.parse(img2img.stdout), { prompt: 'a sad man', images: [{ seed: 5, width: 32, height: 24 }] });
  const [a] = (await pipeline.img2img({ ...request, strength: 0.5 })).images;
  t.ok(sameBytes((await Image.open(out('a.png'))).data, a.data));

  const masked = ['--image', out('in.png'), '--mask', out('mask.png'), '--mask-blur', '1'];
  const inpaint = await run(['inpaint', ...small, ...masked, '-o', out('b.png')]);
  t.equal(inpaint.code, 0, inpaint.stderr);
  t.match(inpaint.stderr, /b\.png {2}\(seed 5, /);
  const [b] = (await pipeline.inpaint({ ...request, mask, maskBlur: 1 })).images;
  t.ok(sameBytes((await Image.open(out('b.png'))).data, b.data));
});

t.test('ControlNets and a refiner', async (t) => {
  const net = path.resolve(__dirname, '..', 'fixtures', 'control', 'edges.safetensors');
  const refined = ['--refiner', file, '--refiner-switch-at', '0.5'];
  const held = ['--control-net', net, '--control-image', out('in.png'), '--control-weight', '0.7'];
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  await using other = await Pipeline.load(file, { threads: 1 });
  await using edges = await ControlNet.load(net, { threads: 1 });
  const drawn = await run([...small, '--width', '32', '--height', '32', ...held, ...refined, '-o', out('held.png')]);
  t.equal(drawn.code, 0, drawn.stderr);
  const { images } = await pipeline.txt2img({
    ...{ prompt: 'a sad man', width: 32, height: 32, steps: 4, seed: 5 },
    control: [{ net: edges, image: picture, weight: 0.7 }],
    refiner: { pipeline: other, switchAt: 0.5 },
  });
  t.ok(sameBytes((await Image.open(out('held.png'))).data, images[0].data));

  const wrong: [args: string[], message: RegExp][] = [
    [['--control-net', net], /--control-image: expected one for each --control-net, 1, got 0/],
    [[...held, '--control-weight', '1'], /--control-weight: expected one for each --control-net, got 2/],
    [['--refiner-switch-at', '0.5'], /--refiner-switch-at: expected --refiner beside it/],
  ];
  for (const [args, message] of wrong) t.match(await run([...small, ...args]), { code: 2, stderr: message });
});

t.test('another VAE', async (t) => {
  const tiny = path.resolve(__dirname, '..', 'fixtures', 'taesd', 'taesd.safetensors');
  await using pipeline = await Pipeline.load(file, { threads: 1, vae: tiny });
  const drawn = await run([...small, '--vae', tiny, '--width', '32', '--height', '32', '-o', out('tiny.png')]);
  t.equal(drawn.code, 0, drawn.stderr);
  const request = { prompt: 'a sad man', width: 32, height: 32, steps: 4, seed: 5 };
  const [wanted] = (await pipeline.txt2img(request)).images;
  t.ok(sameBytes((await Image.open(out('tiny.png'))).data, wanted.data));
});

t.test('several prompts, a variation and a second pass', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const options = [
    '--width',
    '32',
    '--height',
    '32',
    '--hires-scale',
    '1.5',
    '--subseed',
    '9',
    '--subseed-strength',
    '0.3',
  ];
  const pag = ['--pag-scale', '2', '--pag-layers', 'mid,up.0', '--pag-method', 'skip'];
  const guidance = ['--cfg-rescale', '0.5', '--guidance-interval', '0.1,9', ...pag];
  const args = ['txt2img', ...small.slice(1), '-p', 'a cat', '-p', 'a dog', ...options, ...guidance];
  const { code, stderr, stdout } = await run([...args, '-o', out('c.png'), '--json']);
  t.equal(code, 0, stderr);
  const { images } = JSON.parse(stdout) as { images: { file: string }[] };
  const drawn = await pipeline.txt2img({
    ...{ prompt: ['a cat', 'a dog'], width: 32, height: 32, steps: 4, seed: 5, subseed: 9, subseedStrength: 0.3 },
    ...{ hires: { scale: 1.5 }, cfgRescale: 0.5, guidanceInterval: [0.1, 9] },
    ...{ pagScale: 2, pagLayers: ['mid', 'up.0'], pagMethod: 'skip' },
  });
  t.equal(images.length, 2);
  for (const [i, { file }] of images.entries()) {
    t.ok(sameBytes((await Image.open(file)).data, drawn.images[i].data), file);
  }
});

t.test('wrong use ends with 2 and one line, failures with 1', async (t) => {
  const image = ['--image', out('in.png')];
  const wrong: [string[], RegExp][] = [
    [['img2img', ...small], /--image: expected the file of a picture, got none/],
    [['img2img', ...small.slice(1), ...image], /a prompt is needed/],
    [['img2img', ...small, ...image, '--mask', out('mask.png')], /mask/],
    [['img2img', ...small, ...image, '--strength', '0.1'], /INVALID_REQUEST: strength: expected at least 1 \/ 4/],
    [['inpaint', ...small, ...image], /--mask: expected the file of a picture, got none/],
    [['txt2img', ...small, '--guidance-interval', '3'], /--guidance-interval: expected two numbers/],
    [['txt2img', ...small, '--subseed', '-1.5'], /subseed/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await run([...args, '-o', out('x.png')]);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, message);
  }
  const absent = await run(['img2img', ...small, '--image', out('absent.png'), '-o', out('x.png')]);
  t.equal(absent.code, 1);
  t.match(absent.stderr, /^node-diffusion: FILE_NOT_FOUND: .*absent\.png/);
});

t.test('help', async (t) => {
  for (const command of ['img2img', 'inpaint']) {
    const { code, stdout } = await run([command, '--help']);
    t.equal(code, 0);
    t.match(
      stdout,
      new RegExp(`^node-diffusion ${command} "PROMPT" --image FILE[\\s\\S]*--strength X[\\s\\S]*--cfg-scale X`),
    );
  }
});
