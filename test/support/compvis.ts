/** diffusers' and transformers' tensor names as those of CompVis single files, written down apart from the engine's own table. */
import type { Tensors } from './model-files';

const unetTop: [from: string, to: string][] = [
  ['time_embedding.linear_1.', 'time_embed.0.'],
  ['time_embedding.linear_2.', 'time_embed.2.'],
  ['time_embedding.cond_proj.', 'time_embed.cond_proj.'],
  ['add_embedding.linear_1.', 'label_emb.0.0.'],
  ['add_embedding.linear_2.', 'label_emb.0.2.'],
  ['conv_in.', 'input_blocks.0.0.'],
  ['conv_norm_out.', 'out.0.'],
  ['conv_out.', 'out.2.'],
  ['mid_block.attentions.0.', 'middle_block.1.'],
];
const resnetParts: [from: string, to: string][] = [
  ['norm1.', 'in_layers.0.'],
  ['conv1.', 'in_layers.2.'],
  ['time_emb_proj.', 'emb_layers.1.'],
  ['norm2.', 'out_layers.0.'],
  ['conv2.', 'out_layers.3.'],
  ['conv_shortcut.', 'skip_connection.'],
];
const openClipParts: [from: string, to: string][] = [
  ['layer_norm1.', 'ln_1.'],
  ['layer_norm2.', 'ln_2.'],
  ['self_attn.out_proj.', 'attn.out_proj.'],
  ['mlp.fc1.', 'mlp.c_fc.'],
  ['mlp.fc2.', 'mlp.c_proj.'],
];

function swap(name: string, table: [from: string, to: string][]): string | undefined {
  const row = table.find(([from]) => name.startsWith(from));
  return row && row[1] + name.slice(row[0].length);
}

function unetName(name: string, layers: number, names: readonly string[]): string {
  const [, direction, blockText, kind, indexText, leaf] =
    /^(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (direction === undefined) {
    const [, middle, part] = /^mid_block\.resnets\.(\d)\.(.+)$/.exec(name) ?? [];
    return middle === undefined
      ? swap(name, unetTop)!
      : `middle_block.${2 * Number(middle)}.${swap(part, resnetParts)}`;
  }
  const [block, index] = [Number(blockText), Number(indexText)];
  const first = block * (layers + 1);
  if (kind === 'downsamplers') return `input_blocks.${first + layers + 1}.0.op.${leaf.slice('conv.'.length)}`;
  const hasAttention = names.some((other) => other.startsWith(`unet.up_blocks.${block}.attentions.`));
  if (kind === 'upsamplers') return `output_blocks.${first + layers}.${hasAttention ? 2 : 1}.${leaf}`;
  const place = direction === 'down' ? `input_blocks.${1 + first + index}` : `output_blocks.${first + index}`;
  return kind === 'resnets' ? `${place}.0.${swap(leaf, resnetParts)}` : `${place}.1.${leaf}`;
}

function vaeName(name: string, levels: number): string {
  return name
    .replace('conv_norm_out', 'norm_out')
    .replace('conv_shortcut', 'nin_shortcut')
    .replace(/mid_block\.resnets\.(\d)/, (_, i) => `mid.block_${Number(i) + 1}`)
    .replace('mid_block.attentions.0.group_norm', 'mid.attn_1.norm')
    .replace(/mid_block\.attentions\.0\.to_([qkv])/, 'mid.attn_1.$1')
    .replace('mid_block.attentions.0.to_out.0', 'mid.attn_1.proj_out')
    .replace('down_blocks.', 'down.')
    .replace(/up_blocks\.(\d+)/, (_, i) => `up.${levels - 1 - Number(i)}`)
    .replace('.resnets.', '.block.')
    .replace('downsamplers.0', 'downsample')
    .replace('upsamplers.0', 'upsample');
}

/** OpenCLIP's names: queries, keys and values are one matrix, and the projection is applied from the other side. */
function openClip(tensors: Tensors, prefix: string): Tensors {
  const renamed: Tensors = new Map();
  const model = 'text_encoder_2.text_model.';
  for (const [name, tensor] of tensors) {
    const [, layer, leaf] = /encoder\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
    const block = `${prefix}transformer.resblocks.${layer}.`;
    const [, kind] = /^self_attn\.q_proj\.(.+)$/.exec(leaf ?? '') ?? [];
    if (kind !== undefined) {
      const parts = ['q', 'k', 'v'].map((part) => tensors.get(name.replace('q_proj', `${part}_proj`))!);
      const shape = [3 * tensor.shape[0], ...tensor.shape.slice(1)];
      const data = Buffer.concat(parts.map((part) => part.data));
      renamed.set(`${block}attn.in_proj_${kind}`, { ...tensor, shape, data });
    } else if (leaf !== undefined) {
      const to = swap(leaf, openClipParts);
      if (to) renamed.set(block + to, tensor);
    } else if (name === 'text_encoder_2.text_projection.weight') {
      renamed.set(`${prefix}text_projection`, transposed(tensor));
    } else {
      const to = name
        .slice(model.length)
        .replace('embeddings.token_embedding.weight', 'token_embedding.weight')
        .replace('embeddings.position_embedding.weight', 'positional_embedding')
        .replace('final_layer_norm.', 'ln_final.');
      renamed.set(prefix + to, tensor);
    }
  }
  return renamed;
}

function transposed(tensor: { dtype: string; shape: number[]; data: Buffer }) {
  const [rows, columns] = tensor.shape;
  const data = Buffer.alloc(tensor.data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      tensor.data.copy(data, 2 * (column * rows + row), 2 * (row * columns + column), 2 * (row * columns + column) + 2);
    }
  }
  return { ...tensor, shape: [columns, rows], data };
}

/** A model of f16 tensors under diffusers' names, each behind its component's prefix, as a single file names them. */
export function toCompVis(tensors: Tensors, layers: number): Tensors {
  const names = [...tensors.keys()];
  const levels = new Set(names.flatMap((name) => /^vae\.decoder\.up_blocks\.\d+/.exec(name)?.[0] ?? [])).size;
  const isXl = names.some((name) => name.startsWith('unet.add_embedding.'));
  const hasFirst = names.some((name) => name.startsWith('text_encoder.'));
  const clip = isXl ? 'conditioner.embedders.0.transformer.' : 'cond_stage_model.transformer.';
  const second = new Map([...tensors].filter(([name]) => name.startsWith('text_encoder_2.')));
  const renamed = openClip(second, `conditioner.embedders.${hasFirst ? 1 : 0}.model.`);
  for (const [name, tensor] of tensors) {
    const at = name.indexOf('.') + 1;
    const rest = name.slice(at);
    if (name.startsWith('unet.')) renamed.set(`model.diffusion_model.${unetName(rest, layers, names)}`, tensor);
    if (name.startsWith('vae.')) renamed.set(`first_stage_model.${vaeName(rest, levels)}`, tensor);
    if (name.startsWith('text_encoder.')) renamed.set(clip + rest, tensor);
  }
  return renamed;
}
