/** Which peers there are, and where on this machine. */
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { DiffusionError } from '../../errors';
import { diffusers } from './diffusers';
import { nodeStableDiffusionCpp } from './node-stable-diffusion-cpp';
import { openvinoGenai } from './openvino-genai';
import type { Peer } from './peer';
import { sdCli, sdCliDefault } from './sd-cli';

export const peers = {
  'sd-cli': sdCli,
  'sd-cli-default': sdCliDefault,
  diffusers,
  'openvino-genai': openvinoGenai,
  'node-stable-diffusion-cpp': nodeStableDiffusionCpp,
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof peers;

/** A peer and the program that runs it, or the addon that is loaded. */
export interface InstalledPeer {
  name: PeerName;
  program: string;
}

/**
 * A program with separators in its name is a path, any other is looked for where the system looks.
 *
 * @throws INVALID_ARGUMENT if there is no peer of that name, FILE_NOT_FOUND if there is no such program
 */
export function findPeer(name: string, program: string): InstalledPeer {
  if (!Object.hasOwn(peers, name)) {
    const expected = Object.keys(peers).join(', ');
    throw new DiffusionError('INVALID_ARGUMENT', `peer: expected one of ${expected}, got '${name}'`);
  }
  const isPath = program.includes('/') || program.includes(path.sep);
  const folders = isPath ? [''] : (process.env.PATH ?? '').split(path.delimiter);
  const endings = process.platform === 'win32' ? ['', '.exe'] : [''];
  const places = folders.flatMap((folder) => endings.map((ending) => path.join(folder, program + ending)));
  const found = program === '' ? undefined : places.find(isProgram);
  if (found === undefined) {
    throw new DiffusionError('FILE_NOT_FOUND', `peer ${name}: there is no program '${program}' that could be run`);
  }
  return { name: name as PeerName, program: path.resolve(found) };
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, file.endsWith('.node') ? constants.R_OK : constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
