/** `node-diffusion upscale`: what it writes, and what it refuses. */
import path from 'node:path';
import t from 'tap';
import { Image, Upscaler } from '../../lib/index';
import { sameBytes } from '../support/compare';
import { run } from './run';

const model = path.resolve(__dirname, '..', 'fixtures', 'upscalers', 'x2.safetensors');
const picture = new Image(
  32,
  24,
  Uint8Array.from({ length: 32 * 24 * 3 }, (_, i) => (i * 7) % 256),
);

t.test('a picture', async (t) => {
  const folder = t.testdir();
  const [from, to] = [path.join(folder, 'in.png'), path.join(folder, 'out.png')];
  await picture.save(from);
  const done = await run(['upscale', from, '-m', model, '-o', to, '--threads', '1', '--json']);
  t.equal(done.code, 0, done.stderr);
  t.match(JSON.parse(done.stdout), { images: [{ file: to, width: 64, height: 48 }] });
  await using upscaler = await Upscaler.load(model, { threads: 1 });
  t.ok(sameBytes((await Image.open(to)).data, (await upscaler.upscale(picture)).data));

  const nowhere = await run(['upscale', from, '-m', model, '-o', path.join(folder, 'no', 'out.png')]);
  t.match(nowhere, { code: 1, stderr: /FILE_NOT_WRITABLE/ });
  for (const args of [['upscale'], ['upscale', from], ['upscale', from, to, '-m', model]]) {
    t.equal((await run(args)).code, 2, args.join(' '));
  }
});
