/** What a prebuilt addon may ask of a system, and that the workflows that build them run commands that exist. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

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

t.test('workflows run scripts that exist', async (t) => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const folder = path.join(root, '.github', 'workflows');
  for (const file of readdirSync(folder)) {
    const text = readFileSync(path.join(folder, file), 'utf8');
    const names = [...text.matchAll(/npm (?:run ([\w:-]+)|(test))/g)].map(([, run, test]) => run ?? test);
    t.ok(names.length > 0, file);
    for (const name of names) t.ok(scripts[name], `${file}: ${name}`);
  }
});
