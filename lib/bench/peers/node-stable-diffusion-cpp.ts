/** `@lmagder/node-stable-diffusion-cpp`, by the addon in its package. Its times are those that stable-diffusion.cpp logs. */
import path from 'node:path';
import { benchPrompt } from '../prompt';
import type { Peer, PeerRound } from './peer';
import { secondsIn, unableToDraw } from './sd-cli';
import { lastLine, watch } from './watch';

// From lib/bench/peers (tests run the sources) and from dist/bench/peers alike.
const runner = path.resolve(__dirname, '../../../dist/bench/peers/node-stable-diffusion-cpp-program.js');

/** Our precisions as ggml's numbers of types; 16 bits are f16 there. */
const types: Record<string, number> = {
  ...{ auto: 1, f16: 1, f32: 0, q8_0: 8, q4_0: 2, q4_1: 3, q5_0: 6, q5_1: 7 },
  ...{ q2_k: 10, q3_k: 11, q4_k: 12, q5_k: 13, q6_k: 14 },
};

export const nodeStableDiffusionCpp: Peer = {
  title: 'node-stable-diffusion-cpp',
  unable: unableToDraw,
  format: ({ precision }) => (precision === 'auto' ? 'f16' : precision),
  async measure(program, configuration, signal) {
    const { model, width, height, steps, threads, precision } = configuration;
    const options = { model, width, height, steps, threads, weightType: types[precision], ...benchPrompt };
    const { log, stdout, peakBytes } = await watch(
      process.execPath,
      [runner, program, JSON.stringify(options)],
      signal,
    );
    return { ...roundOf(log, steps), load: Number(lastLine(stdout)), peakBytes };
  },
};

/** Of a process that drew twice, the first time with one step. */
export function roundOf(log: string, steps: number): PeerRound {
  const [sampling, decode, text] = ['sampling', 'decode_first_stage', 'get_learned_condition'].map((stage) =>
    secondsIn(log, stage),
  );
  if (sampling.length !== 2 || decode.length !== 2)
    throw new Error(`expected the times of two pictures in its log, which ends: ${lastLine(log)}`);
  return { text: text.at(1), step: [sampling[1] / steps], decode: decode[1], firstDecode: decode[0] };
}
