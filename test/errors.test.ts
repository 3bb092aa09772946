/** Every code that is thrown stands in the table, and every code in the table is thrown somewhere. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { DiffusionError, errorCodes } from '../lib/errors';

const root = path.resolve(__dirname, '..');

function sources(folder: string, ending: RegExp): string {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => ending.test(file) && !file.startsWith('test') && file !== 'errors.ts')
    .map((file) => readFileSync(path.join(root, folder, file), 'utf8'))
    .join('\n');
}

t.test('codes', async (t) => {
  const text = sources('lib', /\.ts$/) + sources('native', /\.(cc|h)$/);
  const used = new Set(
    [...text.matchAll(/(?:fail\(|make_error\([^,]+,|Error\(|refuse\w*\(|code = )\s*["']([A-Z][A-Z_]+)["']/g)].map(
      ([, code]) => code,
    ),
  );
  for (const code of used) t.ok(Object.hasOwn(errorCodes, code), `${code} is in the table`);
  for (const code of Object.keys(errorCodes))
    t.match(text, new RegExp(`['"]${code}['"]`), `${code} is thrown somewhere`);
});

t.test('DiffusionError', async (t) => {
  const cause = new Error('why');
  const error = new DiffusionError('FILE_INVALID', 'x is damaged', { cause });
  t.match(error, { name: 'DiffusionError', code: 'FILE_INVALID', message: 'x is damaged', cause });
  t.equal(new DiffusionError('ABORTED', '').name, 'AbortError');
});
