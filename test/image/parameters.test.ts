import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import t from 'tap';
import { encode, imageFormats } from '../../lib/image/codec';
import { readParameters, withParameters } from '../../lib/image/parameters';
import { type Chunk, readChunks, writeChunks } from '../../lib/image/png-chunks';

interface Fixture {
  images: Record<string, { parameters?: string }>;
}

const folder = join(__dirname, '../fixtures/image');
const { images }: Fixture = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
const pixels = { width: 4, height: 3, data: new Uint8Array(36).fill(99) };

t.test('finds the text that Pillow wrote, as A1111 has it written', async (t) => {
  const withText = Object.entries(images).filter(([, { parameters }]) => parameters);
  t.equal(withText.length, 9);
  for (const [file, { parameters }] of Object.entries(images)) {
    t.equal(readParameters(readFileSync(join(folder, file))), parameters, file);
  }
});

t.test('a text comes back from every format', async (t) => {
  for (const format of imageFormats) {
    const file = await encode(pixels, format);
    t.equal(readParameters(file), undefined, format);
    for (const text of ['', 'a café\nSteps: 20', 'a 猫 😀\nSteps: 20', '–']) {
      const written = withParameters(file, format, text, 4, 3);
      t.equal(readParameters(written), text, format);
      const within = Buffer.concat([Buffer.alloc(3), written, Buffer.alloc(3)]);
      t.equal(readParameters(within.subarray(3, -3)), text, 'from a view into a larger buffer');
    }
  }
});

t.test('PNG text is Latin-1 in tEXt if it fits, else UTF-8 in iTXt, and the pixels stay', async (t) => {
  const file = await encode(pixels, 'png');
  for (const [text, type] of [
    ['a café\nSteps: 20', 'tEXt'],
    ['a 猫\nSteps: 20', 'iTXt'],
  ]) {
    const chunks = [...readChunks(withParameters(file, 'png', text, 4, 3))];
    t.equal(chunks[1].type, type);
    t.strictSame([chunks[0], ...chunks.slice(2)], [...readChunks(file)]);
  }
});

t.test('damaged text is refused', async (t) => {
  const [header, ...rest] = readChunks(await encode(pixels, 'png'));
  const refused = (chunk: Chunk, message: RegExp) =>
    t.throws(() => readParameters(writeChunks([header, chunk, ...rest])), { code: 'INVALID_IMAGE', message });
  refused({ type: 'iTXt', body: Buffer.from('parameters\0\0') }, /has no text/);
  const bomb = deflateSync(Buffer.alloc(2 ** 25));
  const [itxt, ztxt] = ['parameters\0\x01\0\0\0', 'parameters\0\0'].map((start) => Buffer.from(start, 'latin1'));
  refused({ type: 'iTXt', body: Buffer.concat([itxt, bomb]) }, /damaged or too long/);
  refused({ type: 'zTXt', body: Buffer.concat([ztxt, bomb]) }, /damaged or too long/);
  refused({ type: 'zTXt', body: Buffer.concat([ztxt, Buffer.from('x')]) }, /damaged or too long/);
});

t.test('files of other kinds, and none, have no text', async (t) => {
  for (const file of ['', 'x', 'GIF89a', 'RIFF....WAVE', 'RIFF....WEBP', '\xff\xd8']) {
    t.equal(readParameters(Buffer.from(file, 'latin1')), undefined);
  }
});
