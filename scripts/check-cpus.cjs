'use strict';
// Runs the native tests as other CPUs would: masked to lower instruction sets, and under qemu-user as CPUs without AVX-512, without AVX2,
// and as ARM. What is not installed is named and skipped. Arguments: part of a test's name (the default, all, takes an hour), --draw
// draws an avatar on the emulated x86 CPUs as well. Needs `npm run build && node scripts/build-native.cjs --tests` first; on Debian
// qemu-user and g++-aarch64-linux-gnu bring the rest.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const tests = path.join(root, 'build', 'Release', 'nd_tests');
const args = process.argv.slice(2);
const filter = args.filter((argument) => !argument.startsWith('--'));
const counts = { passed: 0, failed: 0, skipped: 0 };

// Each emulated CPU and the instruction set that the kernels must choose there. qemu 7.2 emulates no AVX-512: of CPUs that have it, it
// shows the rest.
const cpus = [
  ['Nehalem', 'scalar'],
  ['Haswell', 'avx2'],
  ['EPYC', 'avx2'],
  ['Skylake-Server', 'avx2'],
];

function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

function skip(what, missing) {
  counts.skipped++;
  console.log(`skipped ${what}: no ${missing}`);
}

// One command: passes if it exits with 0, and prints `expected` where that is given. An illegal instruction is a signal, so it fails.
function check(what, [command, ...rest], { env = {}, expected = '' } = {}) {
  const { status, signal, stdout } = spawnSync(command, rest, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ok = status === 0 && (stdout ?? '').includes(expected);
  counts[ok ? 'passed' : 'failed']++;
  const done = (stdout ?? '').split('\n').filter((line) => line.startsWith('ok ')).length;
  console.log(`${ok ? 'passed' : 'FAILED'} ${what}${done ? `, ${done} tests` : ''}`);
  if (!ok)
    console.log(
      `  ${signal ?? `exit ${status}`}\n${(stdout ?? '')
        .split('\n')
        .filter((line) => !line.startsWith('ok '))
        .join('\n')}`,
    );
  return ok;
}

function masked() {
  for (const isa of ['scalar', 'avx2']) {
    check(`native tests, NODE_DIFFUSION_ISA=${isa}`, [tests, ...filter], { env: { NODE_DIFFUSION_ISA: isa } });
  }
}

function emulated() {
  if (process.arch !== 'x64') return skip('x86 CPUs', 'x86 build');
  if (!has('qemu-x86_64')) return skip('x86 CPUs', 'qemu-x86_64');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'check-cpus-'));
  for (const [cpu, isa] of cpus) {
    const node = ['qemu-x86_64', '-cpu', cpu, process.execPath, 'bin/node-diffusion.cjs'];
    check(`devices on ${cpu}: ${isa}`, [...node, 'devices', '--json'], { expected: `"instructionSet":"${isa}"` });
    if (args.includes('--draw')) {
      const out = path.join(folder, `${cpu}.png`);
      check(`avatar on ${cpu}`, [
        ...node,
        'a portrait',
        '--width',
        '64',
        '--height',
        '64',
        '--steps',
        '1',
        '--output',
        out,
      ]);
    }
    check(`native tests on ${cpu}`, ['qemu-x86_64', '-cpu', cpu, tests, ...filter]);
  }
  fs.rmSync(folder, { recursive: true });
}

function arm() {
  const compiler = 'aarch64-linux-gnu';
  if (!has(`${compiler}-g++`)) return skip('ARM', `${compiler}-g++`);
  const build = path.join(root, 'build-cmake', 'aarch64');
  const configured = check('ARM: configure', [
    'cmake',
    '-S',
    root,
    '-B',
    build,
    '-DCMAKE_SYSTEM_NAME=Linux',
    '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
    '-DCMAKE_JS_INC=',
    '-DND_TESTS=ON',
    `-DCMAKE_C_COMPILER=${compiler}-gcc`,
    `-DCMAKE_CXX_COMPILER=${compiler}-g++`,
    `-DND_OUT=${path.join(build, 'out')}`,
  ]); // prettier-ignore
  const jobs = String(os.availableParallelism());
  if (!configured || !check('ARM: build', ['cmake', '--build', build, '--target', 'nd_tests', '--parallel', jobs]))
    return;
  if (!has('qemu-aarch64')) return skip('native tests on ARM', 'qemu-aarch64');
  check('native tests on ARM', [
    'qemu-aarch64',
    '-L',
    `/usr/${compiler}`,
    path.join(build, 'out', 'nd_tests'),
    ...filter,
  ]);
}

if (!fs.existsSync(tests)) {
  console.error('check-cpus: build the native tests first: node scripts/build-native.cjs --tests');
  process.exit(1);
}
masked();
emulated();
arm();
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed ? 1 : 0);
