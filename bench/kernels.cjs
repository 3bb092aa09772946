'use strict';
// The CPU kernels against the floating-point peak that the same program measures just before (native/test/kernels/bench_kernels.cc).
const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.resolve(__dirname, '..');

exports.benchKernels = ({ threads }) => {
  const build = spawnSync(process.execPath, [path.join(root, 'scripts', 'build-native.cjs'), '--bench'], {
    stdio: 'inherit',
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
  const program = path.join(root, 'build', 'Release', 'nd_bench_kernels');
  const { status, error } = spawnSync(program, threads === undefined ? [] : [threads], { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
};
