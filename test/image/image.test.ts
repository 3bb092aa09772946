import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Image } from '../../lib/image/image';

const data = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => i * 5);

t.test('an image is RGB8 pixels with parameters', async (t) => {
  const image = new Image(5, 3, data, 'a cat\nSteps: 1');
  t.strictSame([image.width, image.height, image.channels, image.parameters], [5, 3, 3, 'a cat\nSteps: 1']);
  const back = await Image.fromPNG(await image.toPNG());
  t.strictSame({ ...back }, { ...image });
  t.equal((await Image.fromPNG(await new Image(5, 3, data).toPNG())).parameters, undefined);
});

t.test('fromPNG reads a view into a larger buffer', async (t) => {
  const png = await new Image(5, 3, data).toPNG();
  const larger = new Uint8Array(png.length + 20).fill(7);
  larger.set(png, 10);
  t.strictSame((await Image.fromPNG(larger.subarray(10, 10 + png.length))).data, data);
});

t.test('wrong arguments are refused by name', async (t) => {
  for (const [args, message] of [
    [[0, 3, data], 'width: expected a positive integer, got 0'],
    [[5, 1.5, data], 'height: expected a positive integer, got 1.5'],
    [[5, 3, data.subarray(1)], 'data: expected 5 * 3 * 3 bytes, got 44 bytes'],
    [[5, 3, [...data]], 'data: expected a Uint8Array, got object'],
    [[5, 3, data, 7], 'parameters: expected a string, got number'],
    [[5, 3, data, 'a\0b'], /parameters: expected text without NUL/],
  ] as const) {
    t.throws(() => new Image(...(args as unknown as ConstructorParameters<typeof Image>)), {
      name: 'DiffusionError',
      code: 'INVALID_ARGUMENT',
      message,
    });
  }
  await t.rejects(Image.fromPNG('x' as unknown as Uint8Array), { code: 'INVALID_ARGUMENT', message: /^file/ });
  await t.rejects(Image.fromPNG(Buffer.from('x')), { code: 'INVALID_IMAGE' });
});

t.test('save writes the whole file or leaves what was there', async (t) => {
  const folder = t.testdir({ 'old.png': 'old' });
  const image = new Image(5, 3, data);
  await image.save(join(folder, 'old.png'));
  await image.save(join(folder, 'NEW.PNG'));
  const png = await image.toPNG();
  t.ok(readFileSync(join(folder, 'old.png')).equals(png));
  t.ok(readFileSync(join(folder, 'NEW.PNG')).equals(png));

  mkdirSync(join(folder, 'taken.png'));
  writeFileSync(join(folder, 'taken.png', 'file'), '');
  for (const path of [join(folder, 'taken.png'), join(folder, 'missing', 'a.png')]) {
    await t.rejects(image.save(path), { name: 'DiffusionError', code: 'FILE_NOT_WRITABLE', cause: Error });
  }
  for (const path of ['a.jpg', 'png', '', join(folder, 'a.png.txt'), 7 as unknown as string]) {
    await t.rejects(image.save(path), { code: 'INVALID_ARGUMENT', message: /ends in \.png/ });
  }
  t.strictSame(readdirSync(folder).sort(), ['NEW.PNG', 'old.png', 'taken.png'], 'nothing unfinished is left behind');
});
