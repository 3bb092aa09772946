'use strict';
// Builds the addon for other machines than this one: with the C++ runtime in it, stripped and, on Linux, for glibc 2.28. It goes into a package
// of its own in build/packages/ (scripts/pack-platforms.cjs) and into prebuilds/<platform>-<arch>/, where node-gyp-build looks and from where
// `npm pack` takes it. `--arch arm64` cross-compiles on Linux with Debian's g++-aarch64-linux-gnu. `--device vulkan` or `cuda` makes a package
// with that device in it, and no prebuild. The package `prebuildify` would download Node's headers, which nothing here needs, and does not
// cross-compile.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { makeAddonPackage } = require('./addon-package.cjs');

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

const { prefix, options, built } = build();
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: 'inherit' });

process.env.ND_STATIC_RUNTIME = '1';
run(process.execPath, path.join(__dirname, 'build-native.cjs'), ...options);

const file = makeAddonPackage({ os: process.platform, cpu: arch, device });
fs.copyFileSync(path.join(built, 'node_diffusion.node'), file);
if (process.platform === 'linux') run(`${prefix}strip`, '--strip-all', file);
if (process.platform === 'darwin') run('strip', '-Sx', file);
console.log(`${path.relative(root, file)}, ${(fs.statSync(file).size / 1e6).toFixed(1)} MB`);
if (process.platform === 'linux') {
  run(process.execPath, path.join(__dirname, 'check-prebuild.cjs'), file, ...(device ? [device] : []));
}
if (!device) {
  const folder = path.join(root, 'prebuilds', platform);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.copyFileSync(file, path.join(folder, path.basename(file)));
}
