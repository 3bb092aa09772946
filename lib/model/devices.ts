/** What the engine can run on here. */
import os from 'node:os';
import { loadAddon } from '../binding/load';
import { callNative } from './cancellation';

/** What the option `device` takes. `auto` is a GPU where this build of the addon has one that passes its probe, else the CPU. */
export type DeviceName = 'auto' | 'cpu' | 'cuda' | 'metal' | 'vulkan';

export const deviceNames: readonly DeviceName[] = ['auto', 'cpu', 'cuda', 'metal', 'vulkan'];

/** Something that the engine can run on. */
export interface Device {
  /** What the option `device` takes. */
  name: Exclude<DeviceName, 'auto'>;
  /** `software` is a driver that computes on the CPU after all, which `auto` passes over. */
  kind: 'cpu' | 'gpu' | 'software';
  /** The hardware's own name; empty where none was found. */
  description: string;
  /** In all; 0 where it is not known. */
  memoryBytes: number;
  /** Of these, not taken; 0 where it is not known. */
  freeMemoryBytes: number;
  /** Whether it can be used: the addon was built for it, it was found, and a small product on it came out right. */
  usable: boolean;
  /** Why it cannot be used. */
  reason?: string;
}

/** The CPU, which runs our own kernels. */
export interface CpuDevice extends Device {
  name: 'cpu';
  /** How many it runs at once. */
  threads: number;
  /** The instruction set that the kernels use: `scalar`, `avx2` or `avx512`. */
  instructionSet: string;
}

/** Throws `ADDON_NOT_FOUND`. */
export function cpuDevice(): CpuDevice {
  return {
    name: 'cpu',
    kind: 'cpu',
    description: os.cpus()[0]?.model.trim() ?? os.arch(),
    threads: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    freeMemoryBytes: os.freemem(),
    usable: true,
    instructionSet: loadAddon().isa,
  };
}

/**
 * The CPU, then the others in the order in which `auto` tries them. Those that this build of the addon has are started and probed, which
 * may take a second.
 *
 * @throws ADDON_NOT_FOUND
 */
export async function listDevices(): Promise<[CpuDevice, ...Device[]]> {
  const others = await callNative(undefined, () => loadAddon().listDevices());
  return [
    cpuDevice(),
    ...others.map(
      ({ isSoftware, reason, ...device }): Device => ({
        ...device,
        kind: isSoftware ? 'software' : 'gpu',
        usable: reason === '',
        ...(reason && { reason }),
      }),
    ),
  ];
}
