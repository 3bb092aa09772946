/** Which addon is loaded: that of a device package that is installed and fits, else the first that is there of those for the CPU. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Installed, installed, type Place } from '../support/installed';

const root = path.resolve(__dirname, '..', '..');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const own = path.join(root, 'build', 'Release', 'node_diffusion.node');
const platform = `${process.platform}-${process.arch}`;
const platformPackage = `node-diffusion-${platform}`;

const program = `
  const { loadAddon } = require('./dist/binding/load.js');
  if (loadAddon() !== loadAddon()) throw new Error('loaded twice');
  console.log(Object.keys(require.cache).filter((file) => file.endsWith('.node')).join('\\n'));
`;

function load(cwd: string, env: NodeJS.ProcessEnv) {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program], { cwd, env, encoding: 'utf8' });
  return { files: stdout.trim().split('\n'), stderr, status };
}

/** The addons that a process loads which finds device packages in a folder, and what it warns of. */
function addonsOf(folder: string): { files: string[]; warnings: string } {
  const { files, stderr, status } = load(root, { ...process.env, NODE_PATH: folder });
  if (status !== 0) throw new Error(stderr);
  return { files, warnings: stderr };
}

function deviceFolder(t: Test, device: string, manifest: object): { folder: string; file: string } {
  const folder = t.testdir();
  const name = `${platformPackage}-${device}`;
  const file = path.join(folder, name, 'node-diffusion.node');
  mkdirSync(path.dirname(file));
  const facts = { name, main: 'node-diffusion.node', ...manifest };
  writeFileSync(path.join(folder, name, 'package.json'), JSON.stringify(facts));
  return { folder, file };
}

t.test('our own where no device package is installed', async (t) => {
  t.strictSame(addonsOf(t.testdir()), { files: [own], warnings: '' });
});

for (const device of ['cuda', 'vulkan']) {
  t.test(`that of a package for ${device}`, async (t) => {
    const { folder, file } = deviceFolder(t, device, { version });
    copyFileSync(own, file);
    t.strictSame(addonsOf(folder), { files: [file], warnings: '' });
  });
}

t.test('our own, and a warning, where the package is of another version', async (t) => {
  const { folder, file } = deviceFolder(t, 'vulkan', { version: '0.0.1' });
  copyFileSync(own, file);
  const { files, warnings } = addonsOf(folder);
  t.strictSame(files, [own]);
  t.match(warnings, /ND_DEVICE_PACKAGE\].*-vulkan cannot be used: expected version \d.*, got 0\.0\.1/);
});

t.test('our own, and a warning, where the package does not load', async (t) => {
  const { folder, file } = deviceFolder(t, 'cuda', { version });
  writeFileSync(file, 'no addon');
  const { files, warnings } = addonsOf(folder);
  t.equal(files.at(-1), own);
  t.match(warnings, /ND_DEVICE_PACKAGE\].*-cuda cannot be used: /);
});

const order: Place[] = ['build', 'prebuilds', 'package'];
for (const [i, first] of order.entries()) {
  t.test(`for the CPU: ${order.slice(i).join(', then ')}`, async (t) => {
    const { root, addons, env } = installed(t, order.slice(i));
    t.strictSame(load(root, env), { files: [addons[first]], stderr: '', status: 0 });
  });
}

function refusal(t: Test, { root, env }: Installed): string {
  const { stderr, status } = load(root, env);
  t.equal(status, 1);
  t.match(stderr, "code: 'ADDON_NOT_FOUND'");
  t.match(stderr, `\`npm install ${platformPackage}@${version}\` brings it`);
  t.match(stderr, `\`npm run build:native\` in ${root} compiles it`);
  return stderr;
}

t.test('an error that says what to do where there is none', async (t) => {
  t.match(refusal(t, installed(t, [])), `is not built for ${platform}, and ${platformPackage} is not installed. `);
});

t.test('where the platform package is of another version', async (t) => {
  const stderr = refusal(t, installed(t, ['package'], { version: '0.0.1' }));
  t.match(stderr, `${platformPackage} cannot be used: expected version ${version}, got 0.0.1. `);
});

for (const broken of order) {
  t.test(`where that of ${broken} does not load`, async (t) => {
    const place = installed(t, [broken], { broken });
    const name = broken === 'package' ? platformPackage : place.addons[broken];
    t.match(refusal(t, place), `${name} cannot be used: `);
  });
}
