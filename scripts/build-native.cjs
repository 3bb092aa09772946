'use strict';
// The one way to build the addon: for `npm run build:native`, for binding.gyp's action (node-gyp,
// node-gyp-build's install fallback) and for the tests. Arguments: --tests builds the native tests as well, --bench the
// kernels' benchmark, --vulkan, --cuda and --metal add devices, -DX=Y is CMake's own, --tree=NAME builds in
// build-cmake/NAME, beside the tree of every day. ND_DEVICES=vulkan,cuda adds devices where no arguments can be given;
// ND_STATIC_RUNTIME=1 makes an addon for other machines than this one: with the C++ runtime in it, and for an older glibc.
const { spawnSync } = require('node:child_process');
const { availableParallelism } = require('node:os');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const args = process.argv.slice(2);
const tree = args.find((a) => a.startsWith('--tree='))?.slice('--tree='.length);
const out = path.join(root, 'build-cmake', tree ?? '');
const targets = ['node_diffusion'];
if (args.includes('--tests')) targets.push('nd_tests', ...(process.platform === 'linux' ? ['nd_memory_tests'] : []));
if (args.includes('--bench')) targets.push('nd_bench_kernels');
const known = ['vulkan', 'cuda', 'metal'];
const devices = [
  ...(process.env.ND_DEVICES ?? '').split(',').filter(Boolean),
  ...known.filter((device) => args.includes(`--${device}`)),
];

function fail(sentence) {
  console.error(`node-diffusion: ${sentence}`);
  process.exit(1);
}

function runs(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

for (const device of devices) {
  if (!known.includes(device)) fail(`ND_DEVICES: expected some of ${known.join(', ')}, got '${device}'`);
}
if (!runs('cmake')) {
  fail(
    'building the native addon needs CMake 3.19 or newer on the PATH (Debian: apt-get install cmake; macOS: brew install cmake; Windows: winget install Kitware.CMake).',
  );
}
const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
if (process.platform !== 'win32' && !compilers.some(runs)) {
  fail(
    'building the native addon needs a C++20 compiler on the PATH (Debian: apt-get install g++ make; macOS: xcode-select --install).',
  );
}

function cmakeJs(command, ...extra) {
  const { status, error } = spawnSync(
    process.execPath,
    [
      require.resolve('cmake-js/bin/cmake-js'),
      command,
      '--log-level',
      process.env.ND_VERBOSE ? 'info' : 'warn',
      '--directory',
      root,
      '--out',
      out,
      ...extra,
    ],
    { stdio: 'inherit', cwd: root },
  );
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

// `cmake-js build` configures only an empty tree, so options given later would be lost: configure always (0.5 s).
cmakeJs(
  'configure',
  `--CDND_STATIC_RUNTIME=${process.env.ND_STATIC_RUNTIME === '1' ? 'ON' : 'OFF'}`,
  `--CDND_TESTS=${targets.length > 1 ? 'ON' : 'OFF'}`,
  ...known.map((device) => `--CDND_${device.toUpperCase()}=${devices.includes(device) ? 'ON' : 'OFF'}`),
  ...args.filter((a) => a.startsWith('-D')).map((a) => `--CD${a.slice(2)}`),
);
for (const target of targets) {
  cmakeJs('build', '--target', target, '--parallel', String(availableParallelism()));
}
