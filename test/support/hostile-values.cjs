'use strict';
// Values that no caller should pass, as fast-check's arbitraries of functions: each makes its value anew, with the handles that there are.
const fc = require('fast-check');

/** What hostile getters throw. */
const thrown = new Error('hostile');
function hostile() {
  throw thrown;
}

const numbers = [
  ...[0, -0, 1, -1, 2, 3, 4, 7, 8, 77, 0.5, 999, 1e-300, 5e-324, 1e308, NaN, Infinity, -Infinity],
  ...[
    2 ** 15,
    2 ** 15 + 1,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 32 + 1,
    2 ** 52,
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 31),
    -(2 ** 53),
  ],
];
const strings = [
  ...[
    '',
    'auto',
    'f32',
    'q8_0',
    'q4_k',
    'nothing',
    '.',
    '/',
    'a\0b',
    '\0',
    '\ud800',
    'x\udfff\ud800y',
    '\u202e',
    '__proto__',
  ],
  ...['x'.repeat(300), 'x'.repeat(70_000), '/'.repeat(5000), '\u00e9'.repeat(5000)],
];
const lengths = [0, 1, 3, 8, 64, 77, 154, 192, 256, 512, 768, 1024, 3072, 4096, 77 * 32, 77 * 48, 2 * 77 * 32];

class Floats extends Float32Array {
  get length() {
    return 2 ** 31;
  }
}
class List extends Array {
  get length() {
    return hostile();
  }
}

function detached(array) {
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function resized(Type, length, size) {
  const buffer = new ArrayBuffer(length * 4, { maxByteLength: length * 4 + 64 });
  const array = new Type(buffer);
  buffer.resize(size);
  return array;
}

const fill = (array, value) => array.fill(value);
const types = [Float32Array, Int32Array, Float64Array, Uint8Array, BigInt64Array, Uint16Array];

/** Typed arrays of every kind and state. */
const arrays = fc
  .tuple(
    fc.constantFrom(...types),
    fc.constantFrom(...lengths),
    fc.integer({ min: 0, max: 8 }),
    fc.constantFrom(...numbers),
  )
  .map(([Type, length, kind, number]) => () => {
    const value = Type === BigInt64Array ? 7n : number;
    const plain = () => fill(new Type(length), value);
    if (kind === 0) return detached(plain());
    if (kind === 1) return fill(new Type(new SharedArrayBuffer(length * Type.BYTES_PER_ELEMENT)), value);
    if (kind === 2) return resized(Type, length * 2, length % 2 ? 0 : length * 4);
    if (kind === 3) return new Floats(length);
    if (kind === 4) return fill(new Type(new ArrayBuffer(8 + length * Type.BYTES_PER_ELEMENT), 8, length), value);
    if (kind === 5) return new Proxy(plain(), {});
    if (kind === 6) return new DataView(new ArrayBuffer(length));
    return plain();
  });

/** `get` throws, answers anything, or does something to a handle first. */
function traps(value, world) {
  return new Proxy(value, {
    get: (target, key) => {
      world.disturb();
      return Reflect.get(target, key);
    },
    getPrototypeOf: () => world.addon.Cancellation.prototype,
  });
}

const shapes = fc
  .tuple(fc.array(fc.constantFrom(...numbers), { maxLength: 6 }), fc.integer({ min: 0, max: 5 }))
  .map(([list, kind]) => (world) => {
    if (kind === 0) return List.from(list);
    if (kind === 1) return Object.defineProperty([1, 4, 8, 8], 2, { get: hostile });
    if (kind === 2) return Object.defineProperty([1, 4, 8, 8], 3, { get: () => world.disturb() ?? 8 });
    if (kind === 3) return traps([1, 4, 8, 8], world);
    if (kind === 4) return new Array(2 ** 32 - 1);
    return list;
  });

/** Real handles in every state, and what only looks like one. */
const handles = fc
  .tuple(
    fc.constantFrom(
      ...['model', 'context', 'cancellation', 'lora', 'adapters'],
      ...['control', 'controlContext', 'hint', 'residuals', 'upscaler'],
    ),
    fc.nat(100),
    fc.integer({ min: 0, max: 7 }),
  )
  .map(([kind, index, state]) => (world) => {
    const real = () => world.pick(kind, index) ?? null;
    const { Cancellation } = world.addon;
    if (state === 0) return Object.create(Object.getPrototypeOf(real() ?? Cancellation.prototype));
    if (state === 1) return Object.setPrototypeOf({}, Cancellation.prototype);
    if (state === 2) return world.disguise(real(), Cancellation.prototype);
    if (state === 3 && real()) return traps(real(), world);
    if (state === 4 && real()) return world.construct(real().constructor);
    if (state === 5) return world.construct(class extends Cancellation {});
    return real();
  });

const objects = fc.integer({ min: 0, max: 7 }).map((kind) => (world) => {
  if (kind === 0)
    return {
      get precision() {
        return hostile();
      },
    };
  if (kind === 1) return { precision: 'auto', threads: { valueOf: hostile }, memoryBudgetBytes: 0 };
  if (kind === 2)
    return {
      precision: 'auto',
      get threads() {
        world.disturb();
        return 1;
      },
      memoryBudgetBytes: null,
    };
  if (kind === 3) return traps({ precision: 'auto', threads: 1, memoryBudgetBytes: 2 ** 20 }, world);
  // LoRAs with weights: of getters that dispose of them, of no numbers, or of what is none.
  if (kind === 4) return [traps({ lora: world.pick('lora', world.next), unetWeight: 1, textEncoderWeight: 1 }, world)];
  if (kind === 5) return [{ lora: world.pick('context', 0), unetWeight: 1, textEncoderWeight: NaN }];
  if (kind === 6) return new Array(3).fill({ lora: world.pick('lora', 0), unetWeight: 1e308, textEncoderWeight: -1 });
  return { [Symbol.toPrimitive]: hostile, toString: hostile, valueOf: hostile };
});

const plain = (values) => fc.constantFrom(...values).map((value) => () => value);

/** Anything at all. */
exports.anything = fc.oneof(
  plain(numbers),
  plain(strings),
  plain([undefined, null, true, false, 10n, Symbol('s'), hostile, () => {}, class {}, {}, [], new Date(NaN), /x/]),
  arrays,
  shapes,
  handles,
  objects,
);
exports.thrown = thrown;
