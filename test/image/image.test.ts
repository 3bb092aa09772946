import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { Image } from '../../lib/image/image';

const data = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => i * 5);
const fixture = (file: string) => join(__dirname, '../fixtures/image', file);

t.test('an image is RGB8 pixels with parameters', async (t) => {
  const image = new Image(5, 3, data, 'a cat\nSteps: 1');
  t.strictSame([image.width, image.height, image.channels, image.parameters], [5, 3, 3, 'a cat\nSteps: 1']);
  const back = await Image.open(await image.toPNG());
  t.strictSame({ ...back }, { ...image });
  t.equal((await Image.open(await new Image(5, 3, data).toPNG())).parameters, undefined);
});

t.test('open reads a view into a larger buffer, and a path', async (t) => {
  const png = await new Image(5, 3, data).toPNG();
  const larger = new Uint8Array(png.length + 20).fill(7);
  larger.set(png, 10);
  t.strictSame((await Image.open(larger.subarray(10, 10 + png.length))).data, data);
  t.match(await Image.open(fixture('comment-a1111.jpg')), {
    width: 13,
    height: 11,
    parameters: /^a cat 猫 😀\nSteps: 20/,
  });
  t.match(await Image.open(fixture('turned-6.jpg')), { width: 11, height: 13, parameters: undefined });
});

t.test('open shows the background where nothing else is', async (t) => {
  const clear = await sharp({ create: { width: 1, height: 1, channels: 4, background: '#00000000' } })
    .png()
    .toBuffer();
  t.strictSame([...(await Image.open(clear)).data], [255, 255, 255]);
  t.strictSame([...(await Image.open(clear, { background: 'black' })).data], [0, 0, 0]);
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
  await t.rejects(Image.open(7 as unknown as string), { code: 'INVALID_ARGUMENT', message: /^source: .* got number/ });
  await t.rejects(Image.open(Buffer.from('x')), { code: 'INVALID_IMAGE' });
  await t.rejects(Image.open('no/such.png'), { code: 'FILE_NOT_FOUND', message: /no.such\.png does not exist/ });

  const image = new Image(5, 3, data);
  for (const [options, message] of [
    [{ format: 'bmp' }, 'format: expected one of png, jpeg, webp, got bmp'],
    [{ quality: 80 }, /^quality: expected none for PNG/],
    [{ format: 'jpeg', quality: 0 }, 'quality: expected an integer in 1..100, got 0'],
    [{ format: 'webp', quality: 80.5 }, 'quality: expected an integer in 1..100, got 80.5'],
  ] as const) {
    await t.rejects(image.toBuffer(options as object), { code: 'INVALID_ARGUMENT', message });
  }
});

t.test('a damaged PNG is refused, wherever the damage is', async (t) => {
  const file = readFileSync(fixture('parameters-utf8.png'));
  for (const at of [20, 60, 120, file.length - 6]) {
    const damaged = Buffer.from(file);
    damaged[at] ^= 1;
    await t.rejects(Image.open(damaged), { name: 'DiffusionError', code: 'INVALID_IMAGE' }, `byte ${at}`);
  }
});

t.test('save writes the format of the ending, with the parameters', async (t) => {
  const folder = t.testdir();
  const image = new Image(5, 3, data, 'a 猫\nSteps: 1');
  for (const [name, format] of [
    ['a.png', 'png'],
    ['b.JPG', 'jpeg'],
    ['c.jpeg', 'jpeg'],
    ['d.webp', 'webp'],
  ]) {
    const file = join(folder, name);
    await image.save(file);
    t.equal((await sharp(file).metadata()).format, format, name);
    t.match(await Image.open(file), { width: 5, height: 3, parameters: image.parameters });
  }
  await image.save(join(folder, 'fine.jpg'), { quality: 100 });
  t.not(readFileSync(join(folder, 'fine.jpg')).length, readFileSync(join(folder, 'b.JPG')).length);
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
  const failed = { name: 'DiffusionError', code: 'FILE_NOT_WRITABLE', cause: Error };
  await t.rejects(image.save(join(folder, 'taken.png')), failed);
  await t.rejects(image.save(join(folder, 'missing', 'a.png')), {
    ...failed,
    message: /missing.a\.png could not be written: the folder .*missing does not exist: create it first$/,
  });
  for (const path of ['a.bmp', 'png', '', join(folder, 'a.png.txt'), 7 as unknown as string]) {
    await t.rejects(image.save(path), { code: 'INVALID_ARGUMENT', message: /ends in \.png, \.jpg, \.jpeg or \.webp/ });
  }
  t.strictSame(readdirSync(folder).sort(), ['NEW.PNG', 'old.png', 'taken.png'], 'nothing unfinished is left behind');
});

t.test('resize gives another image, without the parameters of this one', async (t) => {
  const image = new Image(5, 3, data, 'Steps: 1');
  const resized = await image.resize(10, 4, { kernel: 'nearest' });
  t.match(resized, { width: 10, height: 4, parameters: undefined });
  t.type(resized, Image);
  t.strictSame([...resized.data.subarray(0, 6)], [...data.subarray(0, 3), ...data.subarray(0, 3)]);
  await t.rejects(image.resize(0, 4), { code: 'INVALID_ARGUMENT' });
});
