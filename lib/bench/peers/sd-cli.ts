/** stable-diffusion.cpp's command line. Its times are those that it logs. */
import path from 'node:path';
import { benchPrompt } from '../prompt';
import type { Peer, PeerConfiguration, PeerRound } from './peer';
import { lastLine, watch } from './watch';

/** Our precisions in its words; 16 bits are f16 there. */
const types: Record<string, string> = {
  ...{ auto: 'f16', f16: 'f16', f32: 'f32', q8_0: 'q8_0' },
  ...{ q4_0: 'q4_0', q4_1: 'q4_1', q5_0: 'q5_0', q5_1: 'q5_1' },
  ...{ q2_k: 'q2_K', q3_k: 'q3_K', q4_k: 'q4_K', q5_k: 'q5_K', q6_k: 'q6_K' },
};

/** Why stable-diffusion.cpp cannot draw this, on whatever way it is reached. */
export function unableToDraw({ family, precision }: PeerConfiguration): string | undefined {
  if (!['sd1', 'sd2', 'sdxl'].includes(family)) return `it knows no models like this one (${family})`;
  return Object.hasOwn(types, precision) ? undefined : `it has no weights in ${precision}`;
}

/** With flash attention, from the start to the picture. */
export const sdCli: Peer = createSdCli('stable-diffusion.cpp, flash attention', true);

/** With its defaults, and only as long as its steps take. */
export const sdCliDefault: Peer = createSdCli('stable-diffusion.cpp, defaults', false);

function createSdCli(title: string, isBest: boolean): Peer {
  return {
    title,
    unable: unableToDraw,
    format: ({ precision }) => types[precision],
    async measure(program, configuration, signal) {
      const { steps, scratch } = configuration;
      const args = argumentsFor(configuration, path.join(scratch, 'picture.png'), isBest);
      const isEnough = (log: string) => !isBest && stepsIn(log, steps).length === steps;
      const { log, peakBytes } = await watch(program, args, signal, isEnough);
      return { ...roundOf(log, steps, isBest), peakBytes };
    },
  };
}

function argumentsFor(configuration: PeerConfiguration, output: string, isBest: boolean): string[] {
  const { model, width, height, steps, precision, threads } = configuration;
  const { prompt, negativePrompt } = benchPrompt;
  const args = ['-m', model, '-p', prompt, '-n', negativePrompt, '-W', width, '-H', height, '--steps', steps];
  args.push('-t', threads, '--type', types[precision], '--cfg-scale', 7, '-s', 1, '-o', output);
  return [...args.map(String), ...(isBest ? ['--diffusion-fa'] : [])];
}

/** Throws where the log does not tell all of the steps, and of decoding if that is wanted. */
export function roundOf(log: string, steps: number, wantsDecode: boolean): Omit<PeerRound, 'peakBytes'> {
  const step = stepsIn(log, steps);
  const decode = secondsIn(log, 'decode_first_stage').at(0);
  if (step.length < steps || (wantsDecode && decode === undefined)) {
    throw new Error(`expected the times of ${steps} steps and of decoding in its log, which ends: ${lastLine(log)}`);
  }
  return {
    load: loading(log),
    text: secondsIn(log, 'get_learned_condition').at(0),
    step: step.length > 1 ? step.slice(1) : step,
    // Newer ones load the VAE's weights in it.
    firstDecode: decode && decode - (loading(log.split(/decoding \d+ latents/)[1] ?? '') ?? 0),
  };
}

/** Of all parts of the model: newer ones load each when it is needed. */
function loading(log: string): number | undefined {
  const parts = secondsIn(log, 'loading tensors');
  return parts.length > 0 ? parts.reduce((sum, part) => sum + part) : undefined;
}

/** What the lines of the log tell after `what`. */
export function secondsIn(log: string, what: string): number[] {
  const lines = log.matchAll(new RegExp(`${what} completed, taking ([\\d.]+) ?(m?s)`, 'g'));
  return [...lines].map(([, value, unit]) => Number(value) / (unit === 'ms' ? 1000 : 1));
}

/** The time of each step, from the progress lines: `| 2/3 - 13.70s/it`, or `it/s` below a second. */
function stepsIn(log: string, steps: number): number[] {
  const lines = log.matchAll(new RegExp(`\\| (\\d+)/${steps} - ([\\d.]+)(s/it|it/s)`, 'g'));
  return [...lines]
    .filter(([, step]) => step !== '0')
    .map(([, , value, unit]) => (unit === 's/it' ? Number(value) : 1 / Number(value)));
}
