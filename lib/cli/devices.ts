/** `node-diffusion devices`: what the engine can run on here. */
import { parseArgs } from 'node:util';
import { listDevices } from '../model/devices';
import { print } from './print';

export const devicesHelp = `node-diffusion devices [--json]

  Lists the devices, with the reason where one cannot be used, and the instruction set of the CPU kernels.`;

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

export async function devices(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  const list = await listDevices();
  if (values.json) {
    await print(JSON.stringify({ devices: list }));
    return;
  }
  const [{ name, description, threads, memoryBytes, instructionSet }, ...others] = list;
  await print(`${name}  ${description}, ${threads} threads, ${gibibytes(memoryBytes)}, ${instructionSet}`);
  for (const device of others) {
    const found = device.description && `${device.description}, ${gibibytes(device.memoryBytes)}`;
    const state = device.reason ? `not used: ${device.reason}` : device.kind === 'software' ? 'software' : '';
    await print(`${device.name}  ${[found, state].filter(Boolean).join(', ')}`);
  }
}
