/** diffusers, by a Python that has it with torch: assets/bench_diffusers.py. */
import { statSync } from 'node:fs';
import { assetPath } from '../../model/assets';
import { benchPrompt } from '../prompt';
import type { Peer, PeerRound } from './peer';
import { lastLine, watch } from './watch';

/** Our precisions as torch's types. */
function dtype(precision: string, hasBf16: boolean): string | undefined {
  const auto = hasBf16 ? 'bfloat16' : 'float32';
  return { auto, f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[precision];
}

function isFolder(model: string): boolean {
  return statSync(model, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Why the model's file is none for diffusers, whoever asks it to read. */
export function unableToRead(model: string): string | undefined {
  if (isFolder(model) || model.endsWith('.safetensors')) return undefined;
  return 'it takes a safetensors file or a diffusers folder';
}

export const diffusers: Peer = {
  title: 'diffusers',
  unable({ model, family, precision, hasBf16 }) {
    if (!dtype(precision, hasBf16)) return `it has no weights in ${precision} on a CPU`;
    if (family !== 'sd1' && !isFolder(model))
      return `without a network it takes a model of this kind (${family}) only as a diffusers folder`;
    return unableToRead(model);
  },
  format: ({ precision, hasBf16 }) => dtype(precision, hasBf16)!,
  async measure(program, configuration, signal) {
    const { model, width, height, steps, threads, precision, hasBf16 } = configuration;
    const type = dtype(precision, hasBf16);
    const options = { model, width, height, steps, threads, dtype: type, cfgScale: 7, ...benchPrompt };
    const { stdout } = await watch(program, [assetPath('bench_diffusers.py'), JSON.stringify(options)], signal);
    return JSON.parse(lastLine(stdout)) as PeerRound;
  },
};
