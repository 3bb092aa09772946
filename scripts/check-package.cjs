'use strict';
// Packs the package and installs it into empty folders as users would, where PATH has no compiler, with install scripts and without: the tarball
// that has the prebuilt addon of `npm run prebuildify` in it, and the two tarballs that are published, of which the platform's brings the addon.
// With --compile also with no prebuilt addon, from the tarball's own sources. Each must please `npm ls` and draw an avatar with the addon that is
// meant. `--arch arm64 --node FILE` installs and draws as Linux on ARM instead, under qemu-aarch64 with that architecture's FILE of Node. Needs
// the registry or npm's cache for the dependencies; not for Windows.
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
    console.log(Object.keys(require.cache).filter((file) => /node.diffusion.node$/.test(file)).join());
  })();
`;

/** `addon`: the file below node_modules that it has to draw with. */
function install(what, addon, tarballs, flags, env) {
  const cwd = path.join(folder, what.replace(/[^a-z0-9]+/g, '-'));
  fs.mkdirSync(cwd);
  fs.writeFileSync(path.join(cwd, 'package.json'), '{ "private": true }');
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', ...flags, ...tarballs];
  if (run(what, 'npm', args, { cwd, env }) === undefined) return;
  if (run(`${what}: npm ls`, 'npm', ['ls', '--all'], { cwd, env }) === undefined) return;
  const loaded = run(what, node[0], [...node.slice(1), '-e', draw], { cwd, env });
  if (loaded === undefined) return;
  if (!loaded.trim().endsWith(path.join('node_modules', addon))) {
    console.log(`FAILED ${what}: expected node_modules/${addon}, got ${loaded}`);
    failed++;
    return;
  }
  console.log(`passed ${what}: avatar of ${fs.statSync(path.join(cwd, 'avatar.png')).size} bytes by ${addon}`);
}

function pack(name) {
  const made = run(`pack ${name}`, 'npm', ['pack', '--silent', '--pack-destination', folder]);
  if (made === undefined) process.exit(1);
  const tarball = path.join(folder, `${name}.tgz`);
  fs.renameSync(path.join(folder, made.trim().split('\n').pop()), tarball);
  console.log(`${name}: ${(fs.statSync(tarball).size / 1e6).toFixed(1)} MB`);
  return tarball;
}

/** The two tarballs of this platform that are published. */
function packPublished(tarball) {
  const packages = path.join(folder, 'packages');
  fs.cpSync(path.join(root, 'build', 'packages', own), path.join(packages, own), { recursive: true });
  const published = path.join(folder, 'published');
  const args = [path.join(__dirname, 'pack-platforms.cjs'), tarball, published, `--packages=${packages}`];
  const sizes = run('pack what is published', process.execPath, args);
  if (sizes === undefined) process.exit(1);
  process.stdout.write(sizes);
  return fs.readdirSync(published).map((name) => path.join(published, name));
}

const platform = `${process.platform}-${values.arch}`;
const own = `node-diffusion-${platform}`;
const prebuilt = path.join(root, 'prebuilds', platform);
if (!fs.existsSync(prebuilt) || !fs.existsSync(path.join(root, 'build', 'packages', own))) {
  console.error(`check-package: expected a prebuilt addon, got none: npm run prebuildify -- --arch ${values.arch}`);
  process.exit(2);
}
const whole = pack('prebuilt');
const ways = [
  ['prebuilt', `node-diffusion/prebuilds/${platform}/node-diffusion.node`, [whole]],
  ['published', `${own}/node-diffusion.node`, packPublished(whole)],
];
const bare = barePath();
for (const [what, addon, tarballs] of ways) {
  if (foreign) {
    // npm itself runs on this machine's Node, as which install scripts would look for an addon of this architecture.
    // --force: of a package that is named it asks whether it fits this machine, whatever --cpu says.
    const flags = ['--ignore-scripts', '--force', '--os=linux', `--cpu=${values.arch}`, '--libc=glibc'];
    install(`${what}, ${values.arch}`, addon, tarballs, flags, process.env);
  } else {
    install(`${what}, no compiler`, addon, tarballs, [], bare);
    install(`${what}, no compiler, no scripts`, addon, tarballs, ['--ignore-scripts'], bare);
  }
}
if (values.compile && !foreign) {
  const aside = path.join(folder, 'aside');
  fs.cpSync(prebuilt, aside, { recursive: true });
  fs.rmSync(prebuilt, { recursive: true });
  try {
    install('compiled', 'node-diffusion/build/Release/node_diffusion.node', [pack('sources')], [], process.env);
  } finally {
    fs.cpSync(aside, prebuilt, { recursive: true });
  }
}
fs.rmSync(folder, { recursive: true });
process.exit(failed ? 1 : 0);
