/** OpenVINO GenAI, by a Python that has it: assets/bench_openvino.py, on a folder in its format that is made of the model once a run. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { assetPath } from '../../model/assets';
import { benchPrompt } from '../prompt';
import { unableToRead } from './diffusers';
import type { Peer, PeerConfiguration, PeerRound } from './peer';
import { lastLine, watch } from './watch';

/** The weights of its folder for our precisions, and the numbers to compute in, where that is not left to it. */
const kinds: Record<string, { weights: string; hint?: string }> = {
  auto: { weights: 'f16' },
  f16: { weights: 'f16', hint: 'f16' },
  bf16: { weights: 'f16', hint: 'bf16' },
  f32: { weights: 'f32', hint: 'f32' },
  q8_0: { weights: 'int8' },
};

export const openvinoGenai: Peer = {
  title: 'OpenVINO GenAI',
  unable({ model, family, precision }) {
    if (!Object.hasOwn(kinds, precision)) return `it has no weights in ${precision}`;
    if (family !== 'sd1') return `only models of Stable Diffusion 1 are converted for it, not this kind (${family})`;
    return unableToRead(model);
  },
  format: ({ precision }) => `${kinds[precision].weights} weights`,
  async measure(program, configuration, signal) {
    const { width, height, steps, threads, precision } = configuration;
    const { hint } = kinds[precision];
    const folder = await converted(program, configuration, signal);
    const settings = hint === undefined ? {} : { INFERENCE_PRECISION_HINT: hint };
    const options = { folder, width, height, steps, threads, settings, cfgScale: 7, ...benchPrompt };
    return JSON.parse(lastLine(await runTask(program, 'measure', options, signal))) as PeerRound;
  },
};

/** The folder of this model and its weights, made where an earlier round has not. */
async function converted(program: string, configuration: PeerConfiguration, signal?: AbortSignal): Promise<string> {
  const { model, threads, precision, scratch } = configuration;
  const { weights } = kinds[precision];
  const folder = path.join(scratch, `openvino-${weights}`);
  // Written last.
  if (existsSync(path.join(folder, 'model_index.json'))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  await runTask(program, 'convert', { model, threads, weights, folder }, signal);
  return folder;
}

async function runTask(program: string, task: string, options: object, signal?: AbortSignal): Promise<string> {
  const { stdout } = await watch(program, [assetPath('bench_openvino.py'), task, JSON.stringify(options)], signal);
  return stdout;
}
