/** `node-diffusion devices`: what the engine can run on here. */
import { parseArgs } from 'node:util';
import { listDevices } from '../model/devices';

export const devicesHelp = `node-diffusion devices [--json]

  Lists the devices and the instruction set of the CPU kernels.`;

export async function devices(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  const list = listDevices();
  if (values.json) {
    console.log(JSON.stringify({ devices: list }));
    return;
  }
  for (const { name, description, threads, memoryBytes, instructionSet } of list) {
    console.log(
      `${name}  ${description}, ${threads} threads, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB, ${instructionSet}`,
    );
  }
}
