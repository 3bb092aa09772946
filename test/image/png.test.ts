import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import t from 'tap';
import { decodePng, encodePng, maxPixels } from '../../lib/image/png';
import { type Chunk, crc32ByTable, readChunks, writeChunks } from '../../lib/image/png-chunks';
import { filterRows, unfilterRows } from '../../lib/image/png-filters';

interface Fixture {
  images: Record<string, { width: number; height: number; rgb: string; parameters?: string }>;
}

const folder = join(__dirname, '../fixtures/image');
const { images }: Fixture = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
const fixture = (name: string) => readFileSync(join(folder, `${name}.png`));

/** Pixels with smooth, flat and noisy rows, so that every filter wins somewhere. */
function picture(width: number, height: number): Uint8Array {
  let state = width * 31 + height;
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const x = Math.floor(i / 3) % width;
    const y = Math.floor(i / 3 / width);
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return [state >>> 16, x * 3 + y, y * y, x * x + 7, (x * y) >> 1][Math.floor(y / 3) % 5];
  });
}

const header = (width: number, height: number, rest = [8, 2, 0, 0, 0]): Chunk => {
  const body = Buffer.alloc(13);
  body.writeUInt32BE(width, 0);
  body.writeUInt32BE(height, 4);
  body.set(rest, 8);
  return { type: 'IHDR', body };
};
const pixels = (bytes: number): Chunk => ({ type: 'IDAT', body: deflateSync(Buffer.alloc(bytes)) });
const end: Chunk = { type: 'IEND', body: Buffer.alloc(0) };
const chunk = (type: string, bytes: number): Chunk => ({ type, body: Buffer.alloc(bytes) });

t.test('shows what Pillow shows, for every kind of file', async (t) => {
  t.equal(Object.keys(images).length, 20);
  for (const [name, { width, height, rgb, parameters }] of Object.entries(images)) {
    const decoded = await decodePng(fixture(name));
    t.same([decoded.width, decoded.height, decoded.parameters], [width, height, parameters], name);
    t.equal(Buffer.from(decoded.data).toString('base64'), rgb, name);
  }
});

t.test('what is encoded comes back', async (t) => {
  for (const [width, height] of [
    [1, 1],
    [1, 40],
    [40, 1],
    [2, 3],
    [64, 64],
    [257, 31],
  ]) {
    const data = picture(width, height);
    const decoded = await decodePng(await encodePng({ width, height, data }));
    t.strictSame(decoded, { width, height, data, parameters: undefined });
  }
});

t.test('parameters are tEXt in Latin-1 if they fit, else iTXt in UTF-8', async (t) => {
  const data = picture(4, 4);
  for (const [parameters, type] of [
    ['', 'tEXt'],
    ['a café\nSteps: 20', 'tEXt'],
    ['a 猫\nSteps: 20', 'iTXt'],
    ['–', 'iTXt'],
  ]) {
    const file = await encodePng({ width: 4, height: 4, data, parameters });
    t.strictSame(
      [...readChunks(file)].map((c) => c.type),
      ['IHDR', type, 'IDAT', 'IEND'],
    );
    t.equal((await decodePng(file)).parameters, parameters);
  }
});

t.test('each row takes the filter with the least sum, and every filter is undone', async (t) => {
  const [width, height] = [30, 45];
  const data = picture(width, height);
  const filtered = filterRows(data, width * 3, height, 3);
  const chosen = new Set(Array.from({ length: height }, (_, y) => filtered[y * (width * 3 + 1)]));
  t.ok(chosen.size >= 4, `filters ${[...chosen]}`);
  t.strictSame(unfilterRows(filtered, width * 3, height, 3), data);

  const ramp = Uint8Array.from([10, 20, 30, 40, 10, 20, 30, 40]);
  t.strictSame([...filterRows(ramp, 4, 2, 1)], [1, 10, 10, 10, 10, 2, 0, 0, 0, 0]);
  const descent = Uint8Array.from([200, 199, 198, 197]);
  t.strictSame([...filterRows(descent, 4, 1, 1)], [1, 200, 255, 255, 255], 'differences have signs');
  const tie = Uint8Array.from([4, 100, 20, 4, 246, 0]); // left 90, up 120, upper left 100: equally near
  t.strictSame([...unfilterRows(tie, 2, 2, 1)], [100, 120, 90, 120], 'Paeth prefers up');
});

t.test('CRC by table', async (t) => {
  t.equal(crc32ByTable(Buffer.from('123456789')), 0xcbf43926);
  t.equal(crc32ByTable(Buffer.from('IEND')), 0xae426082);
  t.equal(crc32ByTable(new Uint8Array(0)), 0);
});

t.test('no damaged byte and no missing end goes unnoticed', async (t) => {
  const file = fixture('parameters-utf8');
  for (let at = 0; at < file.length; at++) {
    const damaged = Buffer.from(file);
    damaged[at] ^= 1 << (at % 8);
    await t.rejects(decodePng(damaged), { name: 'DiffusionError', code: 'INVALID_IMAGE' }, `byte ${at} changed`);
    await t.rejects(decodePng(file.subarray(0, at)), { code: 'INVALID_IMAGE' }, `cut after ${at}`);
  }
  t.equal((await decodePng(Buffer.concat([file, Buffer.from('more')]))).width, 13, 'what follows the end is ignored');
});

t.test('sizes that cannot be true are refused before memory is allocated', async (t) => {
  const refused = async (chunks: Chunk[], message: RegExp) =>
    t.rejects(decodePng(writeChunks(chunks)), { code: 'INVALID_IMAGE', message });
  await refused(
    [header(2 ** 31 - 1, 2 ** 31 - 1), pixels(9), end],
    /at most 67108864 pixels, got 2147483647 x 2147483647/,
  );
  await refused([header(maxPixels, 2), pixels(9), end], /at most/);
  await refused([header(8192, 8192), pixels(1000), end], /cannot hold the 201334784/);
  await refused([header(8192, 8192), end], /^PNG: 0 bytes of pixel data cannot hold/);
  await refused([header(2, 2), pixels(2 ** 24), end], /longer than the size asks for/);
  await refused([header(2, 2), pixels(13), end], /expected 14 bytes of pixel data, got 13/);
  const text = Buffer.concat([Buffer.from('parameters\0\x01\0\0\0', 'latin1'), deflateSync(Buffer.alloc(2 ** 25))]);
  await refused([header(2, 2), { type: 'iTXt', body: text }, pixels(14), end], /damaged or too long/);
});

t.test('wrong structure is refused', async (t) => {
  const refused = async (chunks: Chunk[], message: RegExp) =>
    t.rejects(decodePng(writeChunks(chunks)), { code: 'INVALID_IMAGE', message });
  await refused([end], /one IHDR chunk, before all others/);
  await refused([header(2, 2), header(2, 2), pixels(14), end], /one IHDR chunk/);
  await refused([chunk('IHDR', 12), end], /13 bytes, got 12/);
  await refused([header(0, 2), pixels(14), end], /0 x 2 is no size/);
  await refused([header(2, 2, [8, 2, 0, 0, 1]), pixels(14), end], /interlaced/);
  await refused([header(2, 2, [8, 2, 1, 0, 0]), pixels(14), end], /unknown method/);
  await refused([header(2, 2, [4, 2, 0, 0, 0]), pixels(14), end], /no colour type 2 with 4 bits/);
  await refused([header(2, 2, [8, 5, 0, 0, 0]), pixels(14), end], /no colour type 5/);
  await refused([header(2, 2), chunk('NEWS', 1), pixels(14), end], /critical chunk NEWS/);
  await refused([header(2, 2), chunk('tRNS', 2), pixels(14), end], /tRNS chunk of 6 bytes, got 2/);
  await refused(
    [header(2, 2), { type: 'IDAT', body: deflateSync(Buffer.alloc(14, 9)) }, end],
    /filter from 0 to 4, got 9/,
  );
  await refused([header(2, 2, [8, 3, 0, 0, 0]), pixels(6), end], /no PLTE/);
  await refused([header(2, 2, [8, 3, 0, 0, 0]), chunk('PLTE', 4), pixels(6), end], /palette of 1 to 256/);
  await refused([header(2, 2, [8, 3, 0, 0, 0]), chunk('PLTE', 3), chunk('tRNS', 2), pixels(6), end], /2 alphas for/);
  const colour9 = { type: 'IDAT', body: deflateSync(Buffer.from([0, 0, 9, 0, 0, 0])) };
  await refused([header(2, 2, [8, 3, 0, 0, 0]), chunk('PLTE', 3), colour9, end], /colour 9 of a palette of 1/);
  await refused([header(2, 2), { type: 'iTXt', body: Buffer.from('parameters\0\0') }, pixels(14), end], /has no text/);
  await t.rejects(decodePng(Buffer.from('GIF89a')), { code: 'INVALID_IMAGE', message: /signature/ });
  const odd = { type: 'x1 y', body: Buffer.alloc(0) };
  await refused([header(2, 2), odd, pixels(14), end], /four letters/);
  t.ok(
    await decodePng(writeChunks([header(2, 2), chunk('tIME', 7), pixels(14), end])),
    'an unknown ancillary chunk is skipped',
  );
});
