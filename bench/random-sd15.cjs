'use strict';
// Writes a model file of Stable Diffusion 1.5's tensor names and shapes (CompVis naming, f16, 2.1 GB) with random weights, so that
// speed and memory can be measured without a download. Weights are N(0, 1 / fan in), norms 1, biases 0.
const fs = require('node:fs');

exports.writeRandomSd15 = async (file) => {
  const tensors = [...unet(), ...textEncoder(), ...vae()];
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

const weight = (name, ...shape) => ({ name: `${name}.weight`, shape, kind: 'weight' });
const bias = (name, n) => ({ name: `${name}.bias`, shape: [n], kind: 'bias' });
const norm = (name, n) => [{ name: `${name}.weight`, shape: [n], kind: 'norm' }, bias(name, n)];
const conv = (name, from, to, k) => [weight(name, to, from, k, k), bias(name, to)];
const linear = (name, from, to) => [weight(name, to, from), bias(name, to)];

function* unet() {
  const base = 'model.diffusion_model';
  const width = 320;
  const time = 4 * width;
  const levels = [1, 2, 4, 4].map((m) => m * width);

  function* resnet(name, from, to) {
    yield* norm(`${name}.in_layers.0`, from);
    yield* conv(`${name}.in_layers.2`, from, to, 3);
    yield* linear(`${name}.emb_layers.1`, time, to);
    yield* norm(`${name}.out_layers.0`, to);
    yield* conv(`${name}.out_layers.3`, to, to, 3);
    if (from !== to) yield* conv(`${name}.skip_connection`, from, to, 1);
  }
  function* transformer(name, c) {
    yield* norm(`${name}.norm`, c);
    yield* conv(`${name}.proj_in`, c, c, 1);
    const block = `${name}.transformer_blocks.0`;
    for (const [attention, context] of [
      ['attn1', c],
      ['attn2', 768],
    ]) {
      yield weight(`${block}.${attention}.to_q`, c, c);
      yield weight(`${block}.${attention}.to_k`, c, context);
      yield weight(`${block}.${attention}.to_v`, c, context);
      yield* linear(`${block}.${attention}.to_out.0`, c, c);
    }
    yield* linear(`${block}.ff.net.0.proj`, c, 8 * c);
    yield* linear(`${block}.ff.net.2`, 4 * c, c);
    for (const i of [1, 2, 3]) yield* norm(`${block}.norm${i}`, c);
    yield* conv(`${name}.proj_out`, c, c, 1);
  }

  yield* linear(`${base}.time_embed.0`, width, time);
  yield* linear(`${base}.time_embed.2`, time, time);
  yield* conv(`${base}.input_blocks.0.0`, 4, width, 3);
  const skips = [width];
  let c = width;
  let index = 1;
  for (const [i, to] of levels.entries()) {
    for (let j = 0; j < 2; j++, index++) {
      yield* resnet(`${base}.input_blocks.${index}.0`, c, to);
      if (i < 3) yield* transformer(`${base}.input_blocks.${index}.1`, to);
      c = to;
      skips.push(c);
    }
    if (i < 3) {
      yield* conv(`${base}.input_blocks.${index++}.0.op`, c, c, 3);
      skips.push(c);
    }
  }
  yield* resnet(`${base}.middle_block.0`, c, c);
  yield* transformer(`${base}.middle_block.1`, c);
  yield* resnet(`${base}.middle_block.2`, c, c);
  index = 0;
  for (let i = 3; i >= 0; i--) {
    for (let j = 0; j < 3; j++, index++) {
      yield* resnet(`${base}.output_blocks.${index}.0`, c + skips.pop(), levels[i]);
      c = levels[i];
      if (i < 3) yield* transformer(`${base}.output_blocks.${index}.1`, c);
      if (i > 0 && j === 2) yield* conv(`${base}.output_blocks.${index}.${i < 3 ? 2 : 1}.conv`, c, c, 3);
    }
  }
  yield* norm(`${base}.out.0`, c);
  yield* conv(`${base}.out.2`, c, 4, 3);
}

function* textEncoder() {
  const base = 'cond_stage_model.transformer.text_model';
  const width = 768;
  yield { ...weight(`${base}.embeddings.token_embedding`, 49408, width), kind: 'embedding' };
  yield { ...weight(`${base}.embeddings.position_embedding`, 77, width), kind: 'embedding' };
  for (let i = 0; i < 12; i++) {
    const layer = `${base}.encoder.layers.${i}`;
    yield* norm(`${layer}.layer_norm1`, width);
    yield* norm(`${layer}.layer_norm2`, width);
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      yield* linear(`${layer}.self_attn.${part}`, width, width);
    yield* linear(`${layer}.mlp.fc1`, width, 4 * width);
    yield* linear(`${layer}.mlp.fc2`, 4 * width, width);
  }
  yield* norm(`${base}.final_layer_norm`, width);
}

function* vae() {
  const base = 'first_stage_model';
  const levels = [128, 256, 512, 512];

  function* resnet(name, from, to) {
    yield* norm(`${name}.norm1`, from);
    yield* conv(`${name}.conv1`, from, to, 3);
    yield* norm(`${name}.norm2`, to);
    yield* conv(`${name}.conv2`, to, to, 3);
    if (from !== to) yield* conv(`${name}.nin_shortcut`, from, to, 1);
  }
  function* middle(name, n) {
    yield* resnet(`${name}.block_1`, n, n);
    yield* norm(`${name}.attn_1.norm`, n);
    for (const part of ['q', 'k', 'v', 'proj_out']) yield* conv(`${name}.attn_1.${part}`, n, n, 1);
    yield* resnet(`${name}.block_2`, n, n);
  }

  yield* conv(`${base}.post_quant_conv`, 4, 4, 1);
  yield* conv(`${base}.decoder.conv_in`, 4, 512, 3);
  yield* middle(`${base}.decoder.mid`, 512);
  let c = 512;
  for (let i = 3; i >= 0; i--) {
    for (let j = 0; j < 3; j++, c = levels[i]) yield* resnet(`${base}.decoder.up.${i}.block.${j}`, c, levels[i]);
    if (i > 0) yield* conv(`${base}.decoder.up.${i}.upsample.conv`, c, c, 3);
  }
  yield* norm(`${base}.decoder.norm_out`, c);
  yield* conv(`${base}.decoder.conv_out`, c, 3, 3);

  yield* conv(`${base}.encoder.conv_in`, 3, 128, 3);
  c = 128;
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 2; j++, c = levels[i]) yield* resnet(`${base}.encoder.down.${i}.block.${j}`, c, levels[i]);
    if (i < 3) yield* conv(`${base}.encoder.down.${i}.downsample.conv`, c, c, 3);
  }
  yield* middle(`${base}.encoder.mid`, 512);
  yield* norm(`${base}.encoder.norm_out`, 512);
  yield* conv(`${base}.encoder.conv_out`, 512, 8, 3);
  yield* conv(`${base}.quant_conv`, 8, 8, 1);
}
