/** Where something was measured. */
import os from 'node:os';
import { cpuDevice } from '../model/devices';
import { ggmlVersion } from '../model/machine';

export interface Environment {
  cpu: string;
  /** What the operating system runs at once. */
  cores: number;
  /** Of the kernels in use: `scalar`, `avx2` or `avx512`. */
  instructionSet: string;
  memoryBytes: number;
  /** Its name and version. */
  system: string;
  arch: string;
  versions: { 'node-diffusion': string; node: string; ggml: string };
}

export function environmentHere(): Environment {
  const { description, threads, memoryBytes, instructionSet } = cpuDevice();
  return {
    ...{ cpu: description, cores: threads, instructionSet, memoryBytes },
    ...{ system: `${os.type()} ${os.release()}`, arch: process.arch },
    versions: {
      'node-diffusion': require('../../package.json').version,
      node: process.versions.node,
      ggml: ggmlVersion(),
    },
  };
}
