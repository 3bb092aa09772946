/** One round of a configuration: a process of its own that loads the model and draws with it, so that the peak memory is its own. */
import { fork } from 'node:child_process';
import path from 'node:path';
import { DiffusionError, type ErrorCode } from '../errors';
import type { Operations } from '../model/machine';

// From lib/bench (tests run the sources) and from dist/bench alike.
const program = path.resolve(__dirname, '..', '..', 'dist', 'bench', 'round-program.js');

/** What is drawn, and how. */
export interface Configuration {
  /** The model's path. */
  model: string;
  width: number;
  height: number;
  /** With guidance: two passes of the UNet each, in one batch. */
  steps: number;
  precision: string;
  threads: number;
}

/** Seconds and bytes. */
export interface Round {
  load: number;
  /** Both prompts through the text encoders, and the keys and values of every cross-attention: of the second request. */
  text: number;
  /** One number a step. */
  step: number[];
  /** One number a step: what of it is the UNet, both passes. */
  unet: number[];
  decode: number;
  /** Of the process: with its buffers to get. */
  firstDecode: number;
  /** The whole request: text, steps, decoding. */
  request: number;
  /** From an abort inside a step to the rejection. */
  abort: number;
  /** How late the event loop came at most: during the steps, and from the first step to the PNG file. */
  loopDelay: { steps: number; request: number };
  unetOperations: Operations;
  decodeOperations: Operations;
  weightBytes: number;
  /** The compute buffers. */
  computeBytes: number;
  peakAfterLoadBytes: number;
  /** The most that the process held. */
  peakBytes: number;
}

/** How the process answers. */
export type RoundAnswer = { round: Round } | { code?: string; message: string };

/** @throws what loading and drawing throw; ENGINE_CRASHED if the process ends without an answer; ABORTED */
export function measureRound(configuration: Configuration, signal?: AbortSignal): Promise<Round> {
  return new Promise((resolve, reject) => {
    const child = fork(program, [JSON.stringify(configuration)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      signal,
    });
    child.on('message', (answer: RoundAnswer) => {
      if ('round' in answer) resolve(answer.round);
      else if (answer.code) reject(new DiffusionError(answer.code as ErrorCode, answer.message));
      else reject(new Error(answer.message));
    });
    const aborted = () => new DiffusionError('ABORTED', 'the measurement was aborted', { cause: signal?.reason });
    child.on('error', (cause) => reject(signal?.aborted ? aborted() : cause));
    // After the answer, where one came.
    child.on('close', (code, ended) => {
      const how = ended ? `was ended by ${ended}` : `ended with code ${code}`;
      // Ctrl-C in a terminal reaches both processes.
      if (signal?.aborted) reject(aborted());
      else reject(new DiffusionError('ENGINE_CRASHED', `the process that was measured ${how}`));
    });
  });
}
