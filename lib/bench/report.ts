/** What a benchmark says: the figures of every configuration, made of its rounds. All in seconds, bytes and operations. */
import type { Operations } from '../model/machine';
import type { Environment } from './environment';
import type { PeerName } from './peers/index';
import type { PeerRound } from './peers/peer';
import type { Round } from './round';
import { type Ratio, ratioOf, type Spread, spreadOf } from './statistics';

export interface Report {
  kind: 'node-diffusion-bench';
  /** Of this format. */
  version: 1;
  /** ISO 8601 */
  date: string;
  environment: Environment;
  settings: Settings;
  results: Result[];
}

export interface Settings {
  /** The file's name and what is in it. */
  model: { name: string; family: string; title: string; parameters: number };
  /** Of guidance: two passes of the UNet each. */
  steps: number;
  threads: number;
  /** Rounds of each configuration. */
  repeat: number;
}

/** A network's products, and how fast they were made. */
export interface Throughput {
  operations: Operations;
  /** Operations a second. */
  rate: number;
  /** The time that the products alone take at the measured peaks, each at the peak of its numbers, divided by the time taken. */
  shareOfPeak: number;
}

export interface Result {
  width: number;
  height: number;
  precision: string;
  /** Operations a second of each kind of product; 0 where the CPU has none. Measured before the rounds. */
  peaks: Operations;
  load: Spread;
  text: Spread;
  step: Spread;
  /** Both passes of a step. */
  unet: Spread & Throughput;
  decode: Spread & Throughput;
  firstDecode: Spread;
  request: Spread;
  abort: Spread;
  loopDelay: { steps: Spread; request: Spread };
  memory: { weightBytes: number; computeBytes: number; peakAfterLoadBytes: Spread; peakBytes: Spread };
  peers: PeerResult[];
}

export interface PeerResult {
  name: PeerName;
  title: string;
  /** Why there are no figures: it cannot draw this, or it failed. */
  skipped?: string;
  /** The numbers that its weights are held in. */
  format?: string;
  /** The numbers that it computes in, where it chooses them. */
  computes?: string;
  load?: Spread;
  text?: Spread;
  step?: Spread;
  decode?: Spread;
  firstDecode?: Spread;
  peakBytes?: Spread;
  /** Theirs divided by ours: of what both tell. */
  ratios?: Partial<Record<PeerFigure, Ratio>>;
}

export const peerFigures = ['load', 'text', 'step', 'decode', 'firstDecode', 'peakBytes'] as const;

export type PeerFigure = (typeof peerFigures)[number];

/** Of rounds of one configuration, one at least. */
export function resultOf(
  { width, height, precision }: Pick<Result, 'width' | 'height' | 'precision'>,
  peaks: Operations,
  rounds: readonly Round[],
): Omit<Result, 'peers'> {
  const of = (pick: (round: Round) => number | number[]) => spreadOf(rounds.flatMap(pick));
  const unet = of((round) => round.unet);
  const decode = of((round) => round.decode);
  const { unetOperations, decodeOperations, weightBytes, computeBytes } = rounds[0];
  return {
    ...{ width, height, precision, peaks },
    load: of((round) => round.load),
    text: of((round) => round.text),
    step: of((round) => round.step),
    unet: { ...unet, ...throughput(unetOperations, unet.median, peaks) },
    decode: { ...decode, ...throughput(decodeOperations, decode.median, peaks) },
    firstDecode: of((round) => round.firstDecode),
    request: of((round) => round.request),
    abort: of((round) => round.abort),
    loopDelay: { steps: of((round) => round.loopDelay.steps), request: of((round) => round.loopDelay.request) },
    memory: {
      ...{ weightBytes, computeBytes },
      peakAfterLoadBytes: of((round) => round.peakAfterLoadBytes),
      peakBytes: of((round) => round.peakBytes),
    },
  };
}

/** A convolution counts as a direct one whichever method computes it: with Winograd's its share may pass 1. */
export function throughput(operations: Operations, seconds: number, peaks: Operations): Throughput {
  const formats = Object.keys(operations) as (keyof Operations)[];
  const total = formats.reduce((sum, format) => sum + operations[format], 0);
  const bound = formats.reduce((sum, format) => sum + (operations[format] ? operations[format] / peaks[format] : 0), 0);
  return { operations, rate: total / seconds, shareOfPeak: bound / seconds };
}

/** Of a peer's rounds, one at least, beside our result. */
export function peerResultOf(rounds: readonly PeerRound[], ours: Omit<Result, 'peers'>): Partial<PeerResult> {
  const figures: Partial<Record<PeerFigure, Spread>> = {};
  const ratios: Partial<Record<PeerFigure, Ratio>> = {};
  for (const name of peerFigures) {
    const values = rounds.flatMap((round) => round[name] ?? []);
    if (values.length === 0) continue;
    figures[name] = spreadOf(values);
    ratios[name] = ratioOf(figures[name], name === 'peakBytes' ? ours.memory.peakBytes : ours[name]);
  }
  const { computes } = rounds[0];
  return { ...(computes === undefined ? {} : { computes }), ...figures, ratios };
}
