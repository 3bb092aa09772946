/** A report of known numbers, for tests. */
import type { Report, Result } from '../../lib/bench/report';
import { resultOf } from '../../lib/bench/report';
import type { Round } from '../../lib/bench/round';

export const peaks = { f32: 100e9, bf16: 200e9, int8: 400e9 };

/** One that takes `scale` times as long as the usual one. */
export function aRound(scale = 1): Round {
  return {
    ...{ load: scale, text: 0.25 * scale, step: [2 * scale, 3 * scale], unet: [scale, 2 * scale] },
    ...{ decode: 0.5 * scale, firstDecode: 0.75 * scale, request: 6 * scale, abort: 0.001 },
    loopDelay: { steps: 0.002, request: 0.005 },
    unetOperations: { f32: 0, bf16: 120e9, int8: 60e9 },
    decodeOperations: { f32: 30e9, bf16: 0, int8: 0 },
    ...{ weightBytes: 2 ** 30, computeBytes: 2 ** 20, peakAfterLoadBytes: 2 ** 30, peakBytes: 2 ** 31 },
  };
}

export function aResult(rounds = [aRound()], precision = 'auto'): Result {
  return { ...resultOf({ width: 512, height: 512, precision }, peaks, rounds), peers: [] };
}

export function aReport(results: Result[] = [aResult()]): Report {
  return {
    ...{ kind: 'node-diffusion-bench', version: 1, date: '2026-01-02T03:04:05.678Z' },
    environment: {
      ...{ cpu: 'A CPU <fast> & "new"', cores: 4, instructionSet: 'avx2', memoryBytes: 2 ** 34 },
      ...{ system: 'Linux 6.1', arch: 'x64', versions: { 'node-diffusion': '0.1.0', node: '20.1.2', ggml: '0.15.1' } },
    },
    settings: {
      model: { name: 'a.safetensors', family: 'sd1', title: 'Stable Diffusion 1', parameters: 1e9 },
      ...{ steps: 2, threads: 4, repeat: 1 },
    },
    results,
  };
}
