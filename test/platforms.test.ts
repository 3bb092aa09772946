/** What is published for several platforms: ours without addons, and a package with each one's addon that it depends on. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeAddonPackage } from './support/installed';

const root = path.resolve(__dirname, '..');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const output = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));
// Without scripts: they would put ggml's sources into the folder that other tests build in.
const packed = output(npm, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder);
const tarball = path.join(folder, packed.trim());

const { name: ours, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const platforms = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-x64'];

/** What is published where each platform's addon has these bytes. */
function packPublished(t: Test, addon: Buffer, change: object = {}) {
  const [packages, out] = [path.join(t.testdir({ packages: {} }), 'packages'), path.join(t.testdirName, 'out')];
  for (const platform of platforms) {
    const [os, cpu] = platform.split('-');
    writeFileSync(makeAddonPackage({ os, cpu }, packages), addon);
  }
  writeFileSync(makeAddonPackage({ os: 'linux', cpu: 'x64', device: 'vulkan' }, packages), addon);
  const manifest = path.join(packages, `${ours}-linux-x64`, 'package.json');
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), ...change }));
  const args = ['scripts/pack-platforms.cjs', tarball, out, `--packages=${packages}`];
  return { out, ...spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' }) };
}

/** A packed package's manifest and the paths in it. */
function unpack(file: string) {
  const manifest = JSON.parse(output('tar', '-xzOf', file, 'package/package.json'));
  return { manifest, paths: output('tar', '-tzf', file).trim().split(/\r?\n/).sort() };
}

t.test('what is published: a package for each platform, and ours with these as optional dependencies', async (t) => {
  const { out, status, stderr } = packPublished(t, Buffer.from('an addon'));
  t.strictSame([status, stderr], [0, '']);
  const tarballOf = (name: string) => path.join(out, `${name}-${version}.tgz`);
  t.strictSame(
    readdirSync(out).map((file) => path.join(out, file)),
    [tarballOf(ours), ...platforms.map((platform) => tarballOf(`${ours}-${platform}`))].sort(),
  );

  const main = unpack(tarballOf(ours));
  const pinned = platforms.map((platform) => [`${ours}-${platform}`, version]);
  t.strictSame(main.manifest.optionalDependencies, Object.fromEntries(pinned));
  const before = unpack(tarball);
  t.strictSame(
    { ...main.manifest, optionalDependencies: undefined },
    { ...before.manifest, optionalDependencies: undefined },
  );
  t.strictSame(
    main.paths,
    before.paths.filter((file) => !file.startsWith('package/prebuilds/')),
  );

  for (const platform of platforms) {
    const { manifest, paths } = unpack(tarballOf(`${ours}-${platform}`));
    const [os, cpu] = platform.split('-');
    const libc = os === 'linux' ? ['glibc'] : undefined;
    t.match(manifest, { name: `${ours}-${platform}`, version, os: [os], cpu: [cpu], main: 'node-diffusion.node' });
    t.strictSame(manifest.libc, libc, `${platform}: the C library`);
    const files = ['LICENSE', 'NOTICE', 'node-diffusion.node', 'package.json'];
    t.strictSame(
      paths,
      files.map((file) => `package/${file}`),
    );
  }
});

t.test('nothing is published of different versions, or of more than 15 MB for one platform', async (t) => {
  const other = packPublished(t, Buffer.from('an addon'), { version: '0.0.1' });
  t.equal(other.status, 1);
  t.match(other.stderr, `${ours}-linux-x64: expected version ${version}, got 0.0.1`);
  const large = packPublished(t, randomBytes(4e6));
  t.equal(large.status, 1);
  t.match(large.stderr, /expected 15 MB at most with the main tarball, got 1\d\.\d\d/);
});
