'use strict';
// clang-format over native/: rewrites the files, or with --check only names those that differ.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { getNativeBinary } = require('clang-format');

const root = path.resolve(__dirname, '..');
const files = fs
  .readdirSync(path.join(root, 'native'), { recursive: true })
  .filter((file) => /\.(cc|h)$/.test(file))
  .map((file) => path.join('native', file));
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
const { status, error } = spawnSync(getNativeBinary(), [...mode, ...files], { cwd: root, stdio: 'inherit' });
if (error) throw error;
process.exit(status ?? 1);
