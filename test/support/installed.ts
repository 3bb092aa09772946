/** The package as npm lays it out, with an addon in each of some places, for what finds one. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Test } from 'tap';

const root = path.resolve(__dirname, '..', '..');
const { makeAddonPackage } = require('../../scripts/addon-package.cjs') as {
  makeAddonPackage(of: { os: string; cpu: string; device?: string }, folder: string): string;
};

export { makeAddonPackage };

/** A local build, the tarball's own prebuild, the platform's package. */
export type Place = 'build' | 'prebuilds' | 'package';

export interface Installed {
  /** The package's root. */
  root: string;
  /** In each place the file that is the addon, or would be. */
  addons: Record<Place, string>;
  /** With which a process finds the dependencies. */
  env: NodeJS.ProcessEnv;
}

/**
 * Of the package only what loads an addon and what runs at installation, with a compiler's stand-in that says `compiled`.
 *
 * @param broken where the addon is no addon
 * @param version of the platform's package; our own
 */
export function installed(
  t: Test,
  places: Place[],
  { broken, version }: { broken?: Place; version?: string } = {},
): Installed {
  const folder = path.join(t.testdir(), 'node_modules');
  const own = path.join(folder, 'node-diffusion');
  for (const file of ['package.json', 'dist/errors.js', 'dist/binding/load.js', 'scripts/install.cjs']) {
    cpSync(path.join(root, file), path.join(own, file));
  }
  writeFileSync(path.join(own, 'scripts', 'build-native.cjs'), "console.log('compiled');");
  const platform = `${process.platform}-${process.arch}`;
  const manifest = path.join(folder, `node-diffusion-${platform}`, 'package.json');
  const addons = {
    build: path.join(own, 'build', 'Release', 'node_diffusion.node'),
    prebuilds: path.join(own, 'prebuilds', platform, 'node-diffusion.node'),
    package: path.join(path.dirname(manifest), 'node-diffusion.node'),
  };
  for (const place of places) {
    mkdirSync(path.dirname(addons[place]), { recursive: true });
    if (place === 'package') makeAddonPackage({ os: process.platform, cpu: process.arch }, folder);
    if (place === broken) writeFileSync(addons[place], 'no addon');
    else copyFileSync(path.join(root, 'build', 'Release', 'node_diffusion.node'), addons[place]);
  }
  if (version) writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), version }));
  return { root: own, addons, env: { ...process.env, NODE_PATH: path.join(root, 'node_modules') } };
}
