import t from 'tap';
import { pack, sealed, unpack } from '../../lib/pipeline/packing';

const value = {
  text: 'a “cat”',
  list: [1.5, -2, true, null],
  seed: 2n ** 63n + 1n,
  deep: { floats: Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, 1e-45), none: new Float32Array(0) },
  bytes: Uint8Array.of(1, 2, 255),
  pair: [Float32Array.of(3), Float32Array.of(4)],
};

t.test('what goes in comes out', async (t) => {
  t.strictSame(unpack(pack(value)), value);
  const shifted = new Uint8Array(pack(value).length + 1);
  shifted.set(pack(value), 1);
  t.strictSame(unpack(shifted.subarray(1)), value, 'wherever the bytes lie');
  const part = Float32Array.of(1, 2, 3).subarray(1, 2);
  t.strictSame(unpack(pack({ part })), { part: Float32Array.of(2) }, 'a view is packed as what it shows');
  t.strictSame(unpack(pack({ a: undefined, b: 1 })), { b: 1 });
});

t.test('bytes that are cut off or others are refused', async (t) => {
  const bytes = pack(value);
  for (const length of [0, 4, 8, 20, bytes.length - 1]) {
    t.throws(() => unpack(bytes.subarray(0, length)), { code: 'FILE_INVALID' }, `${length} bytes`);
  }
  t.throws(() => unpack(Uint8Array.from({ length: 64 }, (_, i) => i)), { code: 'FILE_INVALID' });
  const endless = pack('{').subarray(32).fill(255, 0, 8);
  t.throws(() => unpack(sealed([endless])), { code: 'FILE_INVALID' }, 'a length beyond all bounds');
});

t.test('one bit that is another is seen, wherever it is', async (t) => {
  const bytes = pack(value);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] ^= 1 << (at % 8);
    t.throws(() => unpack(damaged), { code: 'FILE_INVALID', message: /damaged/ }, `byte ${at}`);
  }
});
