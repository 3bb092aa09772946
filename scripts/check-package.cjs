'use strict';
// Packs the package and installs the tarball into empty folders as users would: with the prebuilt addon of `npm run prebuildify` where PATH has
// no compiler, with install scripts and without, and with --compile also with no prebuilt addon, from the tarball's own sources. Each must draw an
// avatar. `--arch arm64 --node FILE` installs and draws as Linux on ARM instead, under qemu-aarch64 with that architecture's FILE of Node. Needs the
// registry or npm's cache for the dependencies; not for Windows.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { values } = parseArgs({
  options: {
    arch: { type: 'string', default: process.arch },
    node: { type: 'string', default: process.execPath },
    compile: { type: 'boolean', default: false },
  },
});
const foreign = values.arch !== process.arch;
if (foreign && (process.platform !== 'linux' || values.arch !== 'arm64' || values.node === process.execPath)) {
  console.error(
    `check-package: expected --arch ${process.arch} (or on Linux arm64 with its --node), got ${values.arch}`,
  );
  process.exit(2);
}
// Debian's cross compiler brings the other architecture's glibc.
const node = foreign ? ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', path.resolve(values.node)] : [process.execPath];
const root = path.resolve(__dirname, '..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'check-package-'));
let failed = 0;

function run(what, command, args, { cwd = root, env = process.env } = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status === 0) return stdout;
  console.log(`FAILED ${what}\n${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`);
  failed++;
  return undefined;
}

/** A PATH with node, npm and the shell that npm runs scripts with: no compiler, no CMake. */
function barePath() {
  const bin = path.join(folder, 'bin');
  fs.mkdirSync(bin);
  for (const name of ['node', 'npm', 'sh']) {
    const found = process.env.PATH.split(path.delimiter)
      .map((place) => path.join(place, name))
      .find((file) => fs.existsSync(file));
    fs.symlinkSync(name === 'node' ? process.execPath : fs.realpathSync(found), path.join(bin, name));
  }
  return { ...process.env, PATH: bin };
}

const draw = `
  const { Pipeline } = require('node-diffusion');
  (async () => {
    const pipeline = await Pipeline.load();
    const { images } = await pipeline.txt2img({ prompt: 'a smiling woman with red hair', steps: 8, seed: 1 });
    await images[0].save('avatar.png');
    await pipeline.dispose();
  })();
`;

function install(what, tarball, flags, env) {
  const cwd = path.join(folder, what.replace(/[^a-z]+/g, '-'));
  fs.mkdirSync(cwd);
  fs.writeFileSync(path.join(cwd, 'package.json'), '{ "private": true }');
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', ...flags, tarball];
  if (run(what, 'npm', args, { cwd, env }) === undefined) return;
  if (run(what, node[0], [...node.slice(1), '-e', draw], { cwd, env }) === undefined) return;
  console.log(`passed ${what}: avatar of ${fs.statSync(path.join(cwd, 'avatar.png')).size} bytes`);
}

function pack(name) {
  const made = run(`pack ${name}`, 'npm', ['pack', '--silent', '--pack-destination', folder]);
  if (made === undefined) process.exit(1);
  const tarball = path.join(folder, `${name}.tgz`);
  fs.renameSync(path.join(folder, made.trim().split('\n').pop()), tarball);
  console.log(`${name}: ${(fs.statSync(tarball).size / 1e6).toFixed(1)} MB`);
  return tarball;
}

const prebuilt = path.join(root, 'prebuilds', `${process.platform}-${values.arch}`);
if (!fs.existsSync(prebuilt)) {
  console.error(`check-package: expected a prebuilt addon, got none: npm run prebuildify -- --arch ${values.arch}`);
  process.exit(2);
}
const tarball = pack('prebuilt');
if (foreign) {
  // npm itself runs on this machine's Node, as which install scripts would look for an addon of this architecture.
  install(
    `prebuilt, ${values.arch}`,
    tarball,
    ['--ignore-scripts', '--os=linux', `--cpu=${values.arch}`, '--libc=glibc'],
    process.env,
  );
} else {
  const bare = barePath();
  install('prebuilt, no compiler', tarball, [], bare);
  install('prebuilt, no compiler, no scripts', tarball, ['--ignore-scripts'], bare);
}
if (values.compile && !foreign) {
  const aside = path.join(folder, 'aside');
  fs.cpSync(prebuilt, aside, { recursive: true });
  fs.rmSync(prebuilt, { recursive: true });
  try {
    install('compiled', pack('sources'), [], process.env);
  } finally {
    fs.cpSync(aside, prebuilt, { recursive: true });
  }
}
fs.rmSync(folder, { recursive: true });
process.exit(failed ? 1 : 0);
