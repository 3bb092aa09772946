/** The API reference in docs/api has a page for every export, and no other; `npm run docs` makes it. CI compares the words as well. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import * as exported from '../lib/index';

const root = path.resolve(__dirname, '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

/** Names between braces, types among them; what `export *` adds is found in `exported` and in the file that it names. */
function exportedNames(): Set<string> {
  const lists = [...read('lib/index.ts').matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list]) =>
    list.split(','),
  );
  const names = lists.map((name) => name.replace('type ', '').trim()).filter((name) => name !== '');
  const types = [...read('lib/sampling/samplers/index.ts').matchAll(/export type (\w+)/g)].map(([, name]) => name);
  return new Set([...names, ...types, ...Object.keys(exported)]);
}

t.test('every export has a page, and every page an export', async (t) => {
  const folder = path.join(root, 'docs', 'api');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
  const pages = files.map((file) => path.basename(file, '.md')).filter((name) => name !== 'README');
  const names = exportedNames();
  t.ok(names.size > 100, `${names.size} exports`);
  const [missing, left] = [
    [...names].filter((name) => !pages.includes(name)),
    pages.filter((name) => !names.has(name)),
  ];
  t.strictSame({ missing, left }, { missing: [], left: [] }, 'npm run docs');
});
