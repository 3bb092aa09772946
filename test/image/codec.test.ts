import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { decode, encode, imageFormats, maxPixels, type Pixels, resize } from '../../lib/image/codec';
import { crc32ByTable } from '../../lib/image/png-chunks';

interface Fixture {
  images: Record<string, { width: number; height: number; rgb: string; tolerance: number }>;
}

const folder = join(__dirname, '../fixtures/image');
const { images }: Fixture = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
const white = '#ffffff';

/** Smooth, so that JPEG and WebP keep it well. */
function picture(width: number, height: number): Pixels {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 40 + (i % 3) * 20 + x + 2 * y;
  });
  return { width, height, data };
}

function furthest(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

t.test('shows what Pillow shows, for every kind of file', async (t) => {
  t.equal(Object.keys(images).length, 31);
  for (const [file, { width, height, rgb, tolerance }] of Object.entries(images)) {
    const decoded = await decode(readFileSync(join(folder, file)), white);
    const expected = Buffer.from(rgb, 'base64');
    t.same([decoded.width, decoded.height, decoded.data.length], [width, height, expected.length], file);
    t.ok(furthest(decoded.data, expected) <= tolerance, `${file}: at most ${tolerance} apart`);
  }
});

t.test('what is transparent shows the background', async (t) => {
  const clear = await sharp({ create: { width: 2, height: 1, channels: 4, background: '#00000000' } })
    .png()
    .toBuffer();
  t.strictSame([...(await decode(clear, white)).data], Array(6).fill(255));
  t.strictSame([...(await decode(clear, 'rgb(1, 2, 3)')).data], [1, 2, 3, 1, 2, 3]);
  for (const background of ['nonsense', 7 as unknown as string]) {
    await t.rejects(decode(clear, background), { code: 'INVALID_ARGUMENT', message: /^background: expected a CSS/ });
  }
});

t.test('what is encoded comes back', async (t) => {
  for (const [width, height] of [
    [1, 1],
    [1, 40],
    [40, 1],
    [64, 48],
    [257, 31],
  ]) {
    const { data } = picture(width, height);
    for (const format of imageFormats) {
      const decoded = await decode(await encode({ width, height, data }, format, 90), white);
      t.strictSame([decoded.width, decoded.height, decoded.data.length], [width, height, data.length]);
      if (format === 'png') t.strictSame(decoded.data, data);
    }
  }
  const smooth = picture(64, 48);
  for (const format of ['jpeg', 'webp'] as const) {
    const files = await Promise.all([20, 95].map((quality) => encode(smooth, format, quality)));
    t.ok(files[0].length < files[1].length, `${format}: quality makes files larger`);
    t.ok(furthest((await decode(files[1], white)).data, smooth.data) < 12, `${format}: and pictures alike`);
  }
});

t.test('damage is refused', async (t) => {
  const whole = await encode(picture(64, 48), 'jpeg');
  const gif = Buffer.from('GIF89a');
  for (const file of [
    Buffer.alloc(0),
    Buffer.from('x'),
    gif,
    whole.subarray(0, whole.length / 2),
    Buffer.alloc(5000),
  ]) {
    await t.rejects(decode(file, white), { name: 'DiffusionError', code: 'INVALID_IMAGE' });
  }
});

t.test('too many pixels are refused by the header', async (t) => {
  const svg = (side: number) =>
    Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}"/>`);
  t.equal((await decode(svg(8), white)).width, 8);
  const bomb = readFileSync(join(folder, 'grey.png'));
  bomb.writeUInt32BE(20000, 16);
  bomb.writeUInt32BE(20000, 20);
  bomb.writeUInt32BE(crc32ByTable(bomb.subarray(12, 29)), 29);
  for (const file of [svg(8193), bomb]) {
    const before = process.memoryUsage().rss;
    await t.rejects(decode(file, white), {
      code: 'INVALID_IMAGE',
      message: `the picture could not be read: it has more than ${maxPixels} pixels`,
    });
    t.ok(process.memoryUsage().rss - before < 100e6, 'without memory for them');
  }
});

t.test('resize', async (t) => {
  const wide = picture(40, 20);
  const stretched = await resize(wide, 20, 20);
  t.strictSame([stretched.width, stretched.height, stretched.data.length], [20, 20, 1200]);
  t.ok(Math.abs(stretched.data[0] - wide.data[0]) < 4);
  const cropped = await resize(wide, 20, 20, { fit: 'cover', kernel: 'nearest' });
  t.strictSame([...cropped.data.subarray(0, 3)], [...wide.data.subarray(30, 33)], 'the middle is kept');
  const whole = await resize(wide, 40, 40, { fit: 'contain', background: '#010203' });
  t.strictSame([...whole.data.subarray(0, 3)], [1, 2, 3]);
  t.strictSame(
    [...whole.data.subarray(40 * 10 * 3, 40 * 30 * 3)],
    [...wide.data],
    'all of it, above and below a margin',
  );
  const doubled = await resize(picture(2, 1), 4, 2, { kernel: 'nearest' });
  t.strictSame([...doubled.data.subarray(0, 12)], [40, 60, 80, 40, 60, 80, 41, 61, 81, 41, 61, 81]);

  for (const [args, message] of [
    [[0, 2], 'width: expected a positive integer, got 0'],
    [[2, 1.5], 'height: expected a positive integer, got 1.5'],
    [[2 ** 20, 2 ** 20], /^width, height: expected at most 67108864 pixels/],
    [[2, 2, { fit: 'inside' }], 'fit: expected one of fill, cover, contain, got inside'],
    [[2, 2, { kernel: 'magic' }], /^kernel: expected one of nearest/],
    [[2, 2, { fit: 'contain', background: 'no' }], /^background/],
  ] as const) {
    const call = async () => resize(wide, ...(args as unknown as [number, number]));
    await t.rejects(call, { name: 'DiffusionError', code: 'INVALID_ARGUMENT', message });
  }
});
