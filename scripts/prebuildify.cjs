'use strict';
// Builds the addon for other machines than this one into prebuilds/<platform>-<arch>/, where node-gyp-build looks: with the C++ runtime in it,
// stripped and, on Linux, for glibc 2.28. `--arch arm64` cross-compiles on Linux with Debian's g++-aarch64-linux-gnu. `--device vulkan` or `cuda`
// makes a package of its own for it in build/packages/, for `npm pack`. The package `prebuildify` would download Node's headers, which nothing
// here needs, and does not cross-compile.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const root = path.resolve(__dirname, '..');
const { values } = parseArgs({
  options: { arch: { type: 'string', default: process.arch }, device: { type: 'string' } },
});
const { arch, device } = values;
const platform = `${process.platform}-${arch}`;

function refuse(option, expected, got) {
  console.error(`prebuildify: expected --${option} ${expected}, got ${got}`);
  process.exit(2);
}
if (device !== undefined && !['cuda', 'vulkan'].includes(device)) refuse('device', 'cuda or vulkan', device);
if (arch !== process.arch && (platform !== 'linux-arm64' || device)) {
  refuse('arch', `${process.arch} (or arm64 on Linux, without a device)`, arch);
}

/** A tree of its own beside that of every day, for another architecture or with a device. */
function otherTree() {
  const tree = [platform, device].filter(Boolean).join('-');
  const built = path.join(root, 'build-cmake', tree, 'out');
  return { built, options: [`--tree=${tree}`, `-DND_OUT=${built}`] };
}

function build() {
  if (device) {
    const { built, options } = otherTree();
    return { prefix: '', built, options: [...options, `--${device}`] };
  }
  if (arch === process.arch) return { prefix: '', options: [], built: path.join(root, 'build', 'Release') };
  const prefix = 'aarch64-linux-gnu-';
  const { built, options } = otherTree();
  return {
    prefix,
    built,
    options: [
      ...options,
      '-DCMAKE_SYSTEM_NAME=Linux',
      '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
      `-DCMAKE_C_COMPILER=${prefix}gcc`,
      `-DCMAKE_CXX_COMPILER=${prefix}g++`,
    ],
  };
}

/** The folder that the addon goes to; a device's has the manifest of a package in it. */
function makeFolder() {
  const { name, version, license, engines } = require('../package.json');
  const own = `${name}-${platform}-${device}`;
  const folder = device ? path.join(root, 'build', 'packages', own) : path.join(root, 'prebuilds', platform);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  if (!device) return folder;
  const manifest = {
    ...{ name: own, version, license, engines },
    description: `The native addon of ${name} with ${device} in it`,
    ...{ os: [process.platform], cpu: [arch], main: 'node-diffusion.node', files: ['node-diffusion.node', 'NOTICE'] },
  };
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of ['LICENSE', 'NOTICE']) fs.copyFileSync(path.join(root, file), path.join(folder, file));
  return folder;
}

const { prefix, options, built } = build();
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: 'inherit' });

process.env.ND_STATIC_RUNTIME = '1';
run(process.execPath, path.join(__dirname, 'build-native.cjs'), ...options);

const file = path.join(makeFolder(), 'node-diffusion.node');
fs.copyFileSync(path.join(built, 'node_diffusion.node'), file);
if (process.platform === 'linux') run(`${prefix}strip`, '--strip-all', file);
if (process.platform === 'darwin') run('strip', '-Sx', file);
console.log(`${path.relative(root, file)}, ${(fs.statSync(file).size / 1e6).toFixed(1)} MB`);
if (process.platform === 'linux') {
  run(process.execPath, path.join(__dirname, 'check-prebuild.cjs'), file, ...(device ? [device] : []));
}
