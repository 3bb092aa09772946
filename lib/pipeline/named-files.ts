/** Files of a folder by the names that prompts give them. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { DiffusionError } from '../errors';

/**
 * The files of a folder and the folders in it that have one of the endings: by name without ending, and by their path within the folder
 * as well. A name leads nowhere else. Of equal names the first in alphabetical order of the paths counts.
 *
 * @throws FILE_NOT_FOUND if the folder cannot be read
 */
export async function namedFiles(folder: string, endings: readonly string[]): Promise<Map<string, string>> {
  let entries: string[];
  try {
    entries = await readdir(folder, { recursive: true });
  } catch (cause) {
    throw new DiffusionError('FILE_NOT_FOUND', `${folder}: the folder cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const files = new Map<string, string>();
  for (const entry of entries.sort()) {
    const ending = path.extname(entry);
    if (!endings.includes(ending.toLowerCase())) continue;
    const within = entry.slice(0, -ending.length).split(path.sep).join('/');
    for (const name of [within, path.posix.basename(within)]) {
      if (!files.has(name)) files.set(name, path.join(folder, entry));
    }
  }
  return files;
}
