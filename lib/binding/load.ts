/** Finds and loads the native addon, once, when it is first needed. */
import path from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import { DiffusionError } from '../errors';
import type { NativeAddon } from './types';

// The package's root is two folders up from lib/binding (tests run the sources) and from dist/binding alike.
const root = path.resolve(__dirname, '..', '..');

let addon: NativeAddon | undefined;

/** The addon: a local build (build/Release) if there is one, else the prebuild for this platform. Throws `ADDON_NOT_FOUND`. */
export function loadAddon(): NativeAddon {
  if (addon) return addon;
  try {
    addon = nodeGypBuild(root) as NativeAddon;
  } catch (cause) {
    throw new DiffusionError(
      'ADDON_NOT_FOUND',
      `the native addon is not built for ${process.platform}-${process.arch}: run \`npm run build:native\` in ${root}`,
      { cause },
    );
  }
  return addon;
}
