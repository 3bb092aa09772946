'use strict';
// Builds the addon for other machines than this one into prebuilds/<platform>-<arch>/, where node-gyp-build looks: with the C++ runtime in it,
// stripped and, on Linux, for glibc 2.28. `--arch arm64` cross-compiles on Linux with Debian's g++-aarch64-linux-gnu. The package `prebuildify`
// would download Node's headers, which nothing here needs, and does not cross-compile.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const root = path.resolve(__dirname, '..');
const { values } = parseArgs({ options: { arch: { type: 'string', default: process.arch } } });
const platform = `${process.platform}-${values.arch}`;
function cross() {
  if (values.arch === process.arch) return { prefix: '', options: [], built: path.join(root, 'build', 'Release') };
  if (platform !== 'linux-arm64') {
    console.error(`prebuildify: expected --arch ${process.arch} (or arm64 on Linux), got ${values.arch}`);
    process.exit(2);
  }
  const prefix = 'aarch64-linux-gnu-';
  const built = path.join(root, 'build-cmake', platform, 'out');
  return {
    prefix,
    built,
    options: [
      `--tree=${platform}`,
      `-DND_OUT=${built}`,
      '-DCMAKE_SYSTEM_NAME=Linux',
      '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
      `-DCMAKE_C_COMPILER=${prefix}gcc`,
      `-DCMAKE_CXX_COMPILER=${prefix}g++`,
    ],
  };
}

const { prefix, options, built } = cross();
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: 'inherit' });

process.env.ND_STATIC_RUNTIME = '1';
run(process.execPath, path.join(__dirname, 'build-native.cjs'), ...options);

const folder = path.join(root, 'prebuilds', platform);
const file = path.join(folder, 'node-diffusion.node');
fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder, { recursive: true });
fs.copyFileSync(path.join(built, 'node_diffusion.node'), file);
if (process.platform === 'linux') run(`${prefix}strip`, '--strip-all', file);
if (process.platform === 'darwin') run('strip', '-Sx', file);
console.log(`${path.relative(root, file)}, ${(fs.statSync(file).size / 1e6).toFixed(1)} MB`);
if (process.platform === 'linux') run(process.execPath, path.join(__dirname, 'check-prebuild.cjs'), file);
