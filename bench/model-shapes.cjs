'use strict';
// Names (CompVis') and shapes of the tensors of Stable Diffusion 1.5, 2.1 and XL: for random-weights.cjs.

exports.sd15 = () => [
  ...unet({ multiples: [1, 2, 4, 4], transformers: [1, 1, 1, 0], middle: 1, context: 768 }),
  ...clip('cond_stage_model.transformer'),
  ...vae(),
];

exports.sd21 = () => [
  ...unet({ multiples: [1, 2, 4, 4], transformers: [1, 1, 1, 0], middle: 1, context: 1024, isLinear: true }),
  ...openClip('cond_stage_model.model', 1024, 24),
  ...vae(),
];

exports.sdxl = () => [
  ...unet({
    ...{ multiples: [1, 2, 4], transformers: [0, 2, 10], middle: 10, context: 2048 },
    ...{ isLinear: true, addition: 1280 + 6 * 256 },
  }),
  ...clip('conditioner.embedders.0.transformer'),
  ...openClip('conditioner.embedders.1.model', 1280, 32),
  ...vae(),
];

const weight = (name, ...shape) => ({ name: `${name}.weight`, shape, kind: 'weight' });
const bias = (name, n) => ({ name: `${name}.bias`, shape: [n], kind: 'bias' });
const norm = (name, n) => [{ name: `${name}.weight`, shape: [n], kind: 'norm' }, bias(name, n)];
const conv = (name, from, to, k) => [weight(name, to, from, k, k), bias(name, to)];
const linear = (name, from, to) => [weight(name, to, from), bias(name, to)];

function* unet({ width = 320, multiples, transformers, middle, context, isLinear, addition }) {
  const base = 'model.diffusion_model';
  const time = 4 * width;
  const levels = multiples.map((m) => m * width);
  const last = levels.length - 1;

  function* resnet(name, from, to) {
    yield* norm(`${name}.in_layers.0`, from);
    yield* conv(`${name}.in_layers.2`, from, to, 3);
    yield* linear(`${name}.emb_layers.1`, time, to);
    yield* norm(`${name}.out_layers.0`, to);
    yield* conv(`${name}.out_layers.3`, to, to, 3);
    if (from !== to) yield* conv(`${name}.skip_connection`, from, to, 1);
  }
  function* transformer(name, c, blocks) {
    const projection = (part) => (isLinear ? linear(`${name}.${part}`, c, c) : conv(`${name}.${part}`, c, c, 1));
    yield* norm(`${name}.norm`, c);
    yield* projection('proj_in');
    for (let b = 0; b < blocks; b++) {
      const block = `${name}.transformer_blocks.${b}`;
      for (const [attention, width] of [
        ['attn1', c],
        ['attn2', context],
      ]) {
        yield weight(`${block}.${attention}.to_q`, c, c);
        yield weight(`${block}.${attention}.to_k`, c, width);
        yield weight(`${block}.${attention}.to_v`, c, width);
        yield* linear(`${block}.${attention}.to_out.0`, c, c);
      }
      yield* linear(`${block}.ff.net.0.proj`, c, 8 * c);
      yield* linear(`${block}.ff.net.2`, 4 * c, c);
      for (const i of [1, 2, 3]) yield* norm(`${block}.norm${i}`, c);
    }
    yield* projection('proj_out');
  }

  yield* linear(`${base}.time_embed.0`, width, time);
  yield* linear(`${base}.time_embed.2`, time, time);
  if (addition) {
    yield* linear(`${base}.label_emb.0.0`, addition, time);
    yield* linear(`${base}.label_emb.0.2`, time, time);
  }
  yield* conv(`${base}.input_blocks.0.0`, 4, width, 3);
  const skips = [width];
  let c = width;
  let index = 1;
  for (const [i, to] of levels.entries()) {
    for (let j = 0; j < 2; j++, index++) {
      yield* resnet(`${base}.input_blocks.${index}.0`, c, to);
      if (transformers[i] > 0) yield* transformer(`${base}.input_blocks.${index}.1`, to, transformers[i]);
      c = to;
      skips.push(c);
    }
    if (i < last) {
      yield* conv(`${base}.input_blocks.${index++}.0.op`, c, c, 3);
      skips.push(c);
    }
  }
  yield* resnet(`${base}.middle_block.0`, c, c);
  yield* transformer(`${base}.middle_block.1`, c, middle);
  yield* resnet(`${base}.middle_block.2`, c, c);
  index = 0;
  for (let i = last; i >= 0; i--) {
    for (let j = 0; j < 3; j++, index++) {
      yield* resnet(`${base}.output_blocks.${index}.0`, c + skips.pop(), levels[i]);
      c = levels[i];
      if (transformers[i] > 0) yield* transformer(`${base}.output_blocks.${index}.1`, c, transformers[i]);
      if (i > 0 && j === 2) yield* conv(`${base}.output_blocks.${index}.${transformers[i] > 0 ? 2 : 1}.conv`, c, c, 3);
    }
  }
  yield* norm(`${base}.out.0`, c);
  yield* conv(`${base}.out.2`, c, 4, 3);
}

function* clip(prefix) {
  const base = `${prefix}.text_model`;
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

function* openClip(base, width, layers) {
  yield { ...weight(`${base}.token_embedding`, 49408, width), kind: 'embedding' };
  yield { name: `${base}.positional_embedding`, shape: [77, width], kind: 'embedding' };
  for (let i = 0; i < layers; i++) {
    const layer = `${base}.transformer.resblocks.${i}`;
    yield* norm(`${layer}.ln_1`, width);
    yield* norm(`${layer}.ln_2`, width);
    yield { name: `${layer}.attn.in_proj_weight`, shape: [3 * width, width], kind: 'weight' };
    yield { name: `${layer}.attn.in_proj_bias`, shape: [3 * width], kind: 'bias' };
    yield* linear(`${layer}.attn.out_proj`, width, width);
    yield* linear(`${layer}.mlp.c_fc`, width, 4 * width);
    yield* linear(`${layer}.mlp.c_proj`, 4 * width, width);
  }
  yield* norm(`${base}.ln_final`, width);
  yield { name: `${base}.text_projection`, shape: [width, width], kind: 'weight' };
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
