/** What the package holds: all that it needs to run and to compile, and no more; and that its types are found. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';

const root = path.resolve(__dirname, '..');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const output = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));
// Without scripts: they would put ggml's sources into the folder that other tests build in.
const [{ filename, files }] = JSON.parse(
  output(npm, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder),
) as [{ filename: string; files: { path: string }[] }];
const tarball = path.join(folder, filename);

t.test('npm pack', async (t) => {
  const paths = new Set(files.map((file) => file.path));
  for (const needed of [
    ...['package.json', 'README.md', 'LICENSE', 'NOTICE', 'CMakeLists.txt', 'binding.gyp'],
    ...['dist/index.js', 'dist/index.d.ts', 'bin/node-diffusion.cjs', 'native/addon/addon.cc'],
    ...[
      'scripts/install.cjs',
      'scripts/build-native.cjs',
      'assets/avatar.gguf',
      'assets/ddpm.gguf',
      'assets/bench_diffusers.py',
      'assets/bench_openvino.py',
      'assets/bpe_simple_vocab_16e6.txt.gz',
    ],
  ]) {
    t.ok(paths.has(needed), needed);
  }
  for (const file of paths) t.notMatch(file, /^(test|training|bench|build|examples|native\/(test|fuzz)|\.ci)\//, file);
});

t.test('the lockfile pins every package with the hash of its contents', async (t) => {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const { '': own, ...packages } = lock.packages as Record<string, { integrity?: string; version?: string }>;
  t.ok(own && Object.keys(packages).length > 50);
  for (const [name, { integrity, version }] of Object.entries(packages)) {
    if (!version || !/^sha512-/.test(integrity ?? '')) t.fail(`${name}: ${version} ${integrity}`);
  }
});

t.test('publint and arethetypeswrong find nothing', async (t) => {
  const bin = (name: string) => path.join(root, 'node_modules', '.bin', name);
  // Both exit with another code than 0 where they find something, which throws.
  t.match(output(bin('publint'), tarball, '--strict'), 'All good');
  t.match(output(bin('attw'), tarball, '--no-emoji'), 'No problems found');
});
