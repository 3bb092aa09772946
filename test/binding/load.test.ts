/** Which addon is loaded: that of a device package that is installed and fits, else our own. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';

const root = path.resolve(__dirname, '..', '..');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const own = path.join(root, 'build', 'Release', 'node_diffusion.node');

/** The addons that a process loads which finds device packages in a folder, and what it warns of. */
function addonsOf(folder: string): { files: string[]; warnings: string } {
  const program = `
    const { loadAddon } = require('./dist/binding/load.js');
    if (loadAddon() !== loadAddon()) throw new Error('loaded twice');
    console.log(Object.keys(require.cache).filter((file) => file.endsWith('.node')).join('\\n'));
  `;
  const env = { ...process.env, NODE_PATH: folder };
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program], { cwd: root, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return { files: stdout.trim().split('\n'), warnings: stderr };
}

function deviceFolder(t: Test, device: string, manifest: object): { folder: string; file: string } {
  const folder = t.testdir();
  const name = `node-diffusion-${process.platform}-${process.arch}-${device}`;
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
