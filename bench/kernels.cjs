'use strict';
// The CPU kernels against the peaks that the same program measures just before (native/test/kernels/bench_kernels.cc).
const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const program = path.join(root, 'build', 'Release', 'nd_bench_kernels');

exports.benchKernels = ({ threads }) => {
  build();
  const { status, error } = spawnSync(program, threads === undefined ? [] : [threads], { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
};

function build() {
  const { status } = spawnSync(process.execPath, [path.join(root, 'scripts', 'build-native.cjs'), '--bench'], {
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
}
