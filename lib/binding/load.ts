/** Finds and loads the native addon, once, when it is first needed. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import { DiffusionError, warn } from '../errors';
import type { NativeAddon } from './types';

// The package's root is two folders up from lib/binding (tests run the sources) and from dist/binding alike.
const root = path.resolve(__dirname, '..', '..');

/** What has addons in packages of their own, so that nobody downloads them who has no use for them. */
const devices = ['cuda', 'vulkan'];

let addon: NativeAddon | undefined;

/**
 * The addon: that of an installed device package if it loads, else a local build (build/Release), else the prebuild for this platform. Throws
 * `ADDON_NOT_FOUND`.
 */
export function loadAddon(): NativeAddon {
  addon ??= fromDevicePackage() ?? ownAddon();
  return addon;
}

/** From `node-diffusion-linux-x64-cuda` and the like. One that is there and cannot be used is told by the process warning `ND_DEVICE_PACKAGE`. */
function fromDevicePackage(): NativeAddon | undefined {
  for (const device of devices) {
    const name = `node-diffusion-${process.platform}-${process.arch}-${device}`;
    const manifest = find(`${name}/package.json`);
    if (manifest === undefined) continue;
    try {
      const [wanted, got] = [path.join(root, 'package.json'), manifest].map(versionOf);
      if (wanted !== got) throw new Error(`expected version ${wanted}, got ${got}`);
      return require(path.dirname(manifest)) as NativeAddon;
    } catch (error) {
      warn('ND_DEVICE_PACKAGE', `${name} cannot be used: ${(error as Error).message}`);
    }
  }
  return undefined;
}

function find(file: string): string | undefined {
  try {
    return require.resolve(file, { paths: [root] });
  } catch {
    return undefined;
  }
}

function versionOf(manifest: string): unknown {
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

function ownAddon(): NativeAddon {
  try {
    return nodeGypBuild(root) as NativeAddon;
  } catch (cause) {
    throw new DiffusionError(
      'ADDON_NOT_FOUND',
      `the native addon is not built for ${process.platform}-${process.arch}: run \`npm run build:native\` in ${root}`,
      { cause },
    );
  }
}
