/** What the engine can run on here. */
import os from 'node:os';
import { loadAddon } from '../binding/load';

/** Something that the engine can run on. */
export interface Device {
  /** What the option `device` takes. */
  name: 'cpu';
  /** The processor's own name. */
  description: string;
  /** How many it runs at once. */
  threads: number;
  /** In all, not what is free. */
  memoryBytes: number;
  /** The instruction set that the kernels use: `scalar`, `avx2` or `avx512`. */
  instructionSet: string;
}

/** The CPU is the only device so far. Throws `ADDON_NOT_FOUND`. */
export function listDevices(): Device[] {
  return [
    {
      name: 'cpu',
      description: os.cpus()[0]?.model.trim() ?? os.arch(),
      threads: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      instructionSet: loadAddon().isa,
    },
  ];
}
