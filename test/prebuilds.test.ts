/** What a prebuilt addon may ask of a system, what installing does where there is one, and that the workflows that build them run commands that exist. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { type Installed, installed } from './support/installed';

const root = path.resolve(__dirname, '..');
type Needs = { libraries: string[]; versions: string[] };
const { readNeeds, findExcess } = require('../scripts/check-prebuild.cjs') as {
  readNeeds(bytes: Buffer): Needs;
  findExcess(needs: Needs, device?: 'cuda' | 'vulkan'): string[];
};

t.test('what an addon needs is read from its file', { skip: process.platform !== 'linux' }, async (t) => {
  const needs = readNeeds(readFileSync(path.join(root, 'build', 'Release', 'node_diffusion.node')));
  t.ok(needs.libraries.includes('libc.so.6'), needs.libraries.join(', '));
  t.ok(
    needs.versions.some((version) => /^GLIBC_2\.\d+/.test(version)),
    needs.versions.join(', '),
  );
  t.throws(() => readNeeds(Buffer.alloc(64)), { message: 'expected a 64-bit little-endian ELF file' });
});

t.test('what is newer than glibc 2.28, or not Node’s own, is too much', async (t) => {
  const libraries = ['libc.so.6', 'libm.so.6', 'libgcc_s.so.1', 'ld-linux-x86-64.so.2'];
  const versions = ['GLIBC_2.2.5', 'GLIBC_2.17', 'GLIBC_2.28', 'GCC_3.0'];
  t.strictSame(findExcess({ libraries, versions }), []);
  t.strictSame(findExcess({ libraries: [...libraries, 'libgomp.so.1'], versions: [...versions, 'GLIBC_2.29'] }), [
    'libgomp.so.1',
    'GLIBC_2.29',
  ]);
  t.strictSame(findExcess({ libraries: ['libstdc++.so.6'], versions: ['GLIBCXX_3.4'] }), [
    'libstdc++.so.6',
    'GLIBCXX_3.4',
  ]);
});

t.test('a device brings libraries of its own', async (t) => {
  const needs = { libraries: ['libc.so.6', 'libvulkan.so.1'], versions: ['GLIBC_2.28'] };
  t.strictSame(findExcess(needs, 'vulkan'), []);
  t.strictSame(findExcess(needs), ['libvulkan.so.1']);
  t.strictSame(findExcess(needs, 'cuda'), ['libvulkan.so.1']);
});

/** What `npm install` runs. */
function runInstall({ root, env }: Installed) {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['scripts/install.cjs'], {
    cwd: root,
    env,
    encoding: 'utf8',
  });
  return { stdout: stdout.trim(), stderr, status };
}

t.test('installing compiles nothing where a prebuilt addon is there and loads', async (t) => {
  const quiet = { stdout: '', stderr: '', status: 0 };
  t.strictSame(runInstall(installed(t, ['package'])), quiet);
  t.strictSame(runInstall(installed(t, ['prebuilds'])), quiet);
});

t.test('installing compiles where none is there or it is of no use, and says why', async (t) => {
  const compiled = { stdout: 'compiled', status: 0 };
  t.match(runInstall(installed(t, [])), { ...compiled, stderr: /no prebuilt addon for .*--omit=optional/ });
  t.match(runInstall(installed(t, ['build'])), { ...compiled, stderr: /no prebuilt addon for / });
  for (const broken of ['package', 'prebuilds'] as const) {
    const stderr = /the prebuilt addon does not load here \(.*node-diffusion\.node.*\); compiling/s;
    t.match(runInstall(installed(t, [broken], { broken })), { ...compiled, stderr });
  }
  t.match(runInstall(installed(t, ['package'], { version: '0.0.1' })), {
    ...compiled,
    stderr: /does not load here \(expected version \d.*, got 0\.0\.1\); compiling/,
  });
});

t.test('workflows run scripts that exist', async (t) => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const folder = path.join(root, '.github', 'workflows');
  for (const file of readdirSync(folder)) {
    const text = readFileSync(path.join(folder, file), 'utf8');
    const names = [...text.matchAll(/npm (?:run ([\w:-]+)|(test)\b)/g)].map(([, run, test]) => run ?? test);
    t.ok(names.length > 0, file);
    for (const name of names) t.ok(scripts[name], `${file}: ${name}`);
    for (const [, script] of text.matchAll(/node (scripts\/\S+)/g)) t.ok(existsSync(path.join(root, script)), script);
  }
});
