'use strict';
// Builds the native tests with a device in them, in a tree and a folder of their own, and runs those that hold the device to
// our kernels, network by network: the relative L2 difference of each is printed.
//
//   node scripts/check-device.cjs vulkan|cuda|metal [-DX=Y ...]
//
// Vulkan needs no GPU: Mesa's lavapipe computes on the CPU, 25.0.7 at least, not 22.3.6 (Debian: apt-get install mesa-vulkan-drivers libvulkan-dev glslc
// spirv-headers). CUDA on a machine without a card: -DCMAKE_CUDA_ARCHITECTURES=90-real builds, and the run then fails.
const { spawnSync } = require('node:child_process');
const path = require('node:path');

const [device, ...options] = process.argv.slice(2);
if (!['vulkan', 'cuda', 'metal'].includes(device)) {
  console.error('expected vulkan, cuda or metal');
  process.exit(2);
}
const out = path.resolve(__dirname, '..', 'build', device);

function run(what, program, args, env) {
  const started = performance.now();
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (error) throw error;
  console.log(`# ${what}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (status !== 0) process.exit(status ?? 1);
}

const build = [path.join(__dirname, 'build-native.cjs'), '--tests', `--${device}`, `--tree=${device}`];
run('build', process.execPath, [...build, `-DND_OUT=${out}`, ...options]);
run('run', path.join(out, process.platform === 'win32' ? 'nd_tests.exe' : 'nd_tests'), ['device'], {
  ND_TEST_DEVICE: device,
  // ggml passes over a software driver that is not named, and lavapipe's halves take minutes.
  ...(device === 'vulkan' && { GGML_VK_VISIBLE_DEVICES: '0', GGML_VK_DISABLE_F16: '1' }),
});
