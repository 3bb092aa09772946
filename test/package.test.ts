/** What the published package holds: all that it needs to run and to compile, and no more. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import t from 'tap';

t.test('npm pack', async (t) => {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const listing = execFileSync(npm, ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: path.resolve(__dirname, '..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files, size }] = JSON.parse(listing) as [{ files: { path: string }[]; size: number }];
  const paths = new Set(files.map((file) => file.path));
  for (const needed of [
    ...['package.json', 'README.md', 'LICENSE', 'NOTICE', 'CMakeLists.txt', 'binding.gyp'],
    ...['dist/index.js', 'dist/index.d.ts', 'bin/node-diffusion.cjs', 'native/addon/addon.cc'],
    ...[
      'scripts/install.cjs',
      'scripts/build-native.cjs',
      'assets/avatar.safetensors',
      'assets/ddpm.safetensors',
      'assets/bpe_simple_vocab_16e6.txt.gz',
    ],
  ]) {
    t.ok(paths.has(needed), needed);
  }
  for (const file of paths) t.notMatch(file, /^(test|training|bench|build|native\/test|\.ci)\//, file);
  t.ok(size < 40e6, `${(size / 1e6).toFixed(1)} MB`);
});
