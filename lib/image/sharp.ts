/** Loads sharp, which reads, writes and resizes pictures, when it is first needed. */
import { DiffusionError } from '../errors';

type Sharp = typeof import('sharp');

let loaded: Sharp | undefined;

/**
 * sharp itself. Nothing of this package needs it before a picture file is read or written.
 *
 * @param load how it is found; tests say otherwise
 * @throws ADDON_NOT_FOUND if it cannot be loaded here
 */
export function loadSharp(load: () => Sharp = () => require('sharp')): Sharp {
  if (loaded) return loaded;
  try {
    loaded = load();
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    throw new DiffusionError(
      'ADDON_NOT_FOUND',
      `sharp, which reads and writes picture files, cannot be loaded on ${platform}: run \`npm install --include=optional sharp\` ` +
        'on that platform; an Electron app must leave sharp and @img/* out of its bundle and its asar archive',
      { cause },
    );
  }
  return loaded;
}
