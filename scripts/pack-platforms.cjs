'use strict';
// Makes what is published, of the tarball of `npm pack`: the same without prebuilt addons, which by optional dependencies at its very version brings
// the one that fits, and the tarballs of these, the platform packages that `npm run prebuildify` left in build/packages. Fails where what a user
// of a platform downloads passes 15 MB.
//   node scripts/pack-platforms.cjs TARBALL FOLDER [--packages=build/packages]
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const MOST_BYTES = 15e6;
const root = path.resolve(__dirname, '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { packages: { type: 'string', default: path.join(root, 'build', 'packages') } },
});

function fail(sentence, status = 1) {
  console.error(`pack-platforms: ${sentence}`);
  process.exit(status);
}

const readManifest = (folder) => JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));

/** The folders of the packages for the CPU; those with a device stand there too, and are no dependency of anybody. */
function findPlatforms({ name, version }) {
  const folders = fs.existsSync(values.packages) ? fs.readdirSync(values.packages) : [];
  const platforms = folders
    .map((folder) => ({
      folder: path.join(values.packages, folder),
      ...readManifest(path.join(values.packages, folder)),
    }))
    .filter((manifest) => manifest.name === `${name}-${manifest.os}-${manifest.cpu}`);
  if (platforms.length === 0) fail(`expected platform packages in ${values.packages}, got none: npm run prebuildify`);
  const other = platforms.find((manifest) => manifest.version !== version);
  if (other) fail(`${other.name}: expected version ${version}, got ${other.version}: npm run prebuildify`);
  return platforms;
}

function pack(folder, destination) {
  const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', destination, folder];
  const name = execFileSync('npm', args, { encoding: 'utf8', shell: process.platform === 'win32' }).trim();
  const { size } = fs.statSync(path.join(destination, name));
  console.log(`${name}: ${(size / 1e6).toFixed(2)} MB`);
  return size;
}

function main([tarball, destination]) {
  if (!tarball || !destination) fail('expected a tarball and a folder', 2);
  const staging = fs.mkdtempSync(path.join(os.tmpdir(), 'pack-platforms-'));
  try {
    execFileSync('tar', ['-xzf', path.resolve(tarball), '-C', staging]);
    const folder = path.join(staging, 'package');
    fs.rmSync(path.join(folder, 'prebuilds'), { recursive: true, force: true });
    const manifest = readManifest(folder);
    const platforms = findPlatforms(manifest);
    manifest.optionalDependencies = Object.fromEntries(platforms.map(({ name, version }) => [name, version]));
    fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    fs.mkdirSync(destination, { recursive: true });
    const own = pack(folder, destination);
    for (const platform of platforms) {
      const sum = own + pack(platform.folder, destination);
      if (sum > MOST_BYTES)
        fail(`${platform.name}: expected 15 MB at most with the main tarball, got ${(sum / 1e6).toFixed(2)}`);
    }
  } finally {
    fs.rmSync(staging, { recursive: true });
  }
}

main(positionals);
