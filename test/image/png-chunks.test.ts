import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Chunk, crc32ByTable, readChunks, writeChunks } from '../../lib/image/png-chunks';

const file = readFileSync(join(__dirname, '../fixtures/image/parameters-utf8.png'));

t.test('chunks are read and written as they were', async (t) => {
  const chunks = [...readChunks(file)];
  t.strictSame(
    chunks.map(({ type }) => type),
    ['IHDR', 'iTXt', 'IDAT', 'IEND'],
  );
  t.ok(writeChunks(chunks).equals(file));
  const trailing = Buffer.concat([file, Buffer.from('more')]);
  t.equal([...readChunks(trailing)].length, 4, 'what follows the end is ignored');
});

t.test('no damaged byte and no missing end goes unnoticed', async (t) => {
  for (let at = 0; at < file.length; at++) {
    const damaged = Buffer.from(file);
    damaged[at] ^= 1 << (at % 8);
    t.throws(() => [...readChunks(damaged)], { name: 'DiffusionError', code: 'INVALID_IMAGE' }, `byte ${at} changed`);
    t.throws(() => [...readChunks(file.subarray(0, at))], { code: 'INVALID_IMAGE' }, `cut after ${at}`);
  }
});

t.test('wrong structure is refused', async (t) => {
  const odd: Chunk = { type: 'x1 y', body: Buffer.alloc(0) };
  t.throws(() => [...readChunks(writeChunks([odd]))], { code: 'INVALID_IMAGE', message: /four letters/ });
  t.throws(() => [...readChunks(Buffer.from('GIF89a'))], { code: 'INVALID_IMAGE', message: /signature/ });
});

t.test('CRC by table', async (t) => {
  t.equal(crc32ByTable(Buffer.from('123456789')), 0xcbf43926);
  t.equal(crc32ByTable(Buffer.from('IEND')), 0xae426082);
  t.equal(crc32ByTable(new Uint8Array(0)), 0);
});
