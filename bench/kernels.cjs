'use strict';
// The CPU kernels against the peaks that the same program measures just before (native/test/kernels/bench_kernels.cc).
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const program = path.join(root, 'build', 'Release', 'nd_bench_kernels');

exports.benchKernels = ({ threads }) => {
  build();
  run(threads === undefined ? [] : [threads], 'inherit');
};

/** Operations a second of multiply-adds in each number format that the CPU multiplies, `{ f32, bf16?, int8? }`, all threads together. */
exports.measurePeaks = (threads) => {
  if (!existsSync(program)) build();
  const text = run([String(threads), 'no shape has this name'], ['ignore', 'pipe', 'inherit']);
  return Object.fromEntries(
    [...text.matchAll(/^peak (\w+): ([\d.]+) GOP\/s$/gm)].map(([, format, gops]) => [format, gops * 1e9]),
  );
};

function build() {
  const { status } = spawnSync(process.execPath, [path.join(root, 'scripts', 'build-native.cjs'), '--bench'], {
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
}

function run(args, stdio) {
  const { status, error, stdout } = spawnSync(program, args, { stdio, encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
  return stdout;
}
