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

/** Where the addon for the CPU is, in what is published: npm brings the one that fits as an optional dependency. */
const platformPackage = `node-diffusion-${process.platform}-${process.arch}`;

let addon: NativeAddon | undefined;

/** The addon: that of an installed device package if it loads, else that for the CPU. Throws `ADDON_NOT_FOUND`. */
export function loadAddon(): NativeAddon {
  addon ??= fromDevicePackage() ?? loadOwnAddon();
  return addon;
}

/** The first that is there of a local build (build/Release), the tarball's own prebuild and the platform package. Throws `ADDON_NOT_FOUND`. */
export function loadOwnAddon(): NativeAddon {
  const file = findBuilt();
  const manifest = find(`${platformPackage}/package.json`);
  try {
    if (file !== undefined) return nodeGypBuild(root) as NativeAddon;
    if (manifest !== undefined) return loadPackage(manifest);
  } catch (cause) {
    throw notFound(`${file ?? platformPackage} cannot be used: ${(cause as Error).message}`, { cause });
  }
  throw notFound(
    `the native addon is not built for ${process.platform}-${process.arch}, and ${platformPackage} is not installed`,
  );
}

function notFound(what: string, options?: ErrorOptions): DiffusionError {
  const prebuilt = `npm install ${platformPackage}@${versionOf(path.join(root, 'package.json'))}`;
  return new DiffusionError(
    'ADDON_NOT_FOUND',
    `${what}. \`${prebuilt}\` brings it where it is published, \`npm run build:native\` in ${root} compiles it`,
    options,
  );
}

/** From `node-diffusion-linux-x64-cuda` and the like. One that is there and cannot be used is told by the process warning `ND_DEVICE_PACKAGE`. */
function fromDevicePackage(): NativeAddon | undefined {
  for (const device of devices) {
    const name = `${platformPackage}-${device}`;
    const manifest = find(`${name}/package.json`);
    if (manifest === undefined) continue;
    try {
      return loadPackage(manifest);
    } catch (error) {
      warn('ND_DEVICE_PACKAGE', `${name} cannot be used: ${(error as Error).message}`);
    }
  }
  return undefined;
}

/** The addon of a package that has to be of our own version: the border between the two is no public interface. */
function loadPackage(manifest: string): NativeAddon {
  const [wanted, got] = [path.join(root, 'package.json'), manifest].map(versionOf);
  if (wanted !== got) throw new Error(`expected version ${wanted}, got ${got}`);
  return require(path.dirname(manifest)) as NativeAddon;
}

function find(file: string): string | undefined {
  try {
    return require.resolve(file, { paths: [root] });
  } catch {
    return undefined;
  }
}

function findBuilt(): string | undefined {
  try {
    return nodeGypBuild.resolve(root);
  } catch {
    return undefined;
  }
}

function versionOf(manifest: string): unknown {
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}
