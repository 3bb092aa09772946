'use strict';
// Writes model files with random weights (f16), so that speed and memory can be measured without a download. Weights are N(0, 1 / fan in),
// norms 1, biases 0.
const fs = require('node:fs');

/** `tensors`: { name, shape, kind }, kind being `weight`, `embedding`, `norm` or `bias`. */
exports.writeRandomModel = (file, tensors) => {
  const header = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, shape } of tensors) {
    const end = offset + 2 * shape.reduce((a, b) => a * b);
    header[name] = { dtype: 'F16', shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = Buffer.from(JSON.stringify(header).replace(/$/, ' '.repeat(8)));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const unfinished = `${file}.tmp`;
  const out = fs.openSync(unfinished, 'w');
  try {
    fs.writeSync(out, size);
    fs.writeSync(out, text);
    for (const tensor of tensors) writeValues(out, tensor);
  } finally {
    fs.closeSync(out);
  }
  fs.renameSync(unfinished, file);
};

const blockLength = 2 ** 20;
let normals;
const scaledBlocks = new Map();

/** The same block of random normals over and over, scaled for the tensor's fan-in. */
function writeValues(out, { shape, kind }) {
  let count = shape.reduce((a, b) => a * b);
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
  const scale = { weight: 1 / Math.sqrt(fanIn), embedding: 0.02 }[kind];
  const block = scale === undefined ? constantBlock(kind === 'norm' ? 1 : 0) : randomBlock(scale);
  for (; count > 0; count -= blockLength) fs.writeSync(out, block, 0, 2 * Math.min(count, blockLength));
}

function constantBlock(value) {
  return Buffer.from(new Uint16Array(blockLength).fill(toHalf(value)).buffer);
}

function randomBlock(scale) {
  normals ??= require('../dist').philoxNoise(1234).normal(blockLength);
  if (!scaledBlocks.has(scale))
    scaledBlocks.set(scale, Buffer.from(Uint16Array.from(normals, (x) => toHalf(x * scale)).buffer));
  return scaledBlocks.get(scale);
}

const bits = new DataView(new ArrayBuffer(4));

/** f32 to the bits of f16, towards zero; what is too small becomes 0. */
function toHalf(value) {
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const exponent = ((word >>> 23) & 0xff) - 112;
  return exponent <= 0 ? 0 : ((word >>> 16) & 0x8000) | (exponent << 10) | ((word >>> 13) & 0x3ff);
}
