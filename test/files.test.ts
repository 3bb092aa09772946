/** Files under hostile circumstances: full disks, long and strange names, folders that are none. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { checkPath, checkWritable, readWhole, writeWhole } from '../lib/files';
import { Image, inspectModel, Model } from '../lib/index';
import { networkPath } from './support/safetensors';

const avatar = networkPath('avatar.safetensors');
const picture = new Image(4, 4, new Uint8Array(48).fill(7));

t.test('what a path may be', async (t) => {
  for (const good of ['a', 'ä/猫/😀.png', '..', ' ']) t.doesNotThrow(() => checkPath(good));
  for (const bad of ['', 'a\0b', 'a\ud800.png', '\udc00', 7, null, undefined]) {
    t.throws(() => checkPath(bad), { name: 'DiffusionError', code: 'INVALID_ARGUMENT' }, JSON.stringify(bad));
  }
  const refused = { code: 'INVALID_ARGUMENT', message: /unpaired surrogates, got "a\\ud800\.png"/ };
  const bad = 'a\ud800.png';
  const calls: Promise<unknown>[] = [Image.open(bad), picture.save(bad), Model.load(bad), inspectModel(bad)];
  for (const call of calls) {
    await t.rejects(call as Promise<never>, refused);
  }
});

t.test('names of any script and great length are read and written, natively too', async (t) => {
  const folder = t.testdir();
  const longest = '猫'.repeat(83) + 'ab.png'; // 255 bytes
  const names = ['ä ö ü.png', 'كلب.png', '😀.png', 'a\nb.png', longest];
  for (const name of names) {
    await picture.save(path.join(folder, name));
    t.match(await Image.open(path.join(folder, name)), { width: 4 }, name);
  }
  t.strictSame(new Set(readdirSync(folder)), new Set(names));

  let deep = folder;
  while (Buffer.byteLength(deep) < 1000) deep = path.join(deep, 'ein längerer Ordner 猫');
  mkdirSync(deep, { recursive: true });
  await picture.save(path.join(deep, 'a.png'));
  t.match(await Image.open(path.join(deep, 'a.png')), { width: 4 }, 'deep down');
  for (const name of ['модель 模型 😀.safetensors', `${'x'.repeat(240)}.safetensors`]) {
    const file = path.join(deep, name);
    symlinkSync(avatar, file);
    t.match(await inspectModel(file), { format: 'safetensors' }, name);
  }
});

t.test('what cannot be is an error that says why', async (t) => {
  const folder = t.testdir({ file: '', folder: {} });
  const inFolder = (...parts: string[]) => path.join(folder, ...parts);
  const failed = { name: 'DiffusionError', code: 'FILE_NOT_WRITABLE', cause: Error };
  const cases: [file: string, why: RegExp][] = [
    [inFolder('x'.repeat(252) + '.png'), /the name is too long$/],
    [inFolder('x/'.repeat(2500), 'a.png'), /the name is too long$/],
    [inFolder('file', 'a.png'), /file is not a folder$/],
    [inFolder('absent', 'a.png'), /absent does not exist: create it first$/],
  ];
  if (process.platform === 'linux') cases.push(['/proc/a.png', /\/proc does not exist|permitted|read-only/]);
  for (const [file, message] of cases) {
    await t.rejects(picture.save(file), { ...failed, message });
    await t.rejects(checkWritable(file), { ...failed, message }, 'and before the work');
  }
  await t.rejects(checkWritable(inFolder('folder')), { ...failed, message: /it is a folder: choose another name$/ });
  await checkWritable(inFolder('file'));
  await checkWritable(inFolder('folder', 'new.png'));
  await t.rejects(checkWritable(''), { code: 'INVALID_ARGUMENT' });
  t.strictSame(readdirSync(inFolder('folder')), []);
  t.strictSame(readdirSync(folder).sort(), ['file', 'folder']);

  const unread = { name: 'DiffusionError', code: 'FILE_NOT_FOUND' };
  for (const file of [inFolder('folder'), inFolder('absent'), inFolder('file', 'a'), inFolder('x'.repeat(300))]) {
    await t.rejects(readWhole(file), { ...unread, cause: Error });
    await t.rejects(Image.open(file), unread);
    await t.rejects(Model.load(file), {
      name: 'DiffusionError',
      code: /FILE_NOT_FOUND|UNKNOWN_ARCHITECTURE|FILE_INVALID/,
    });
  }
  await t.rejects(readWhole(inFolder('absent')), { message: /there is no such file$/ });
});

/** Saves over old.png in `folder`, in a shell that is limited first, and says what it came to. */
function saveUnder(limit: string, folder: string) {
  const save = `new (require('./dist').Image)(256, 256, require('node:crypto').randomBytes(196608)).save(process.argv[1])
    .then(() => console.log('saved'), ({ code, message }) => console.log(code, message))`;
  // The test runner's hooks end a program at the signals that Node ignores.
  const script = `unset NODE_OPTIONS; ${limit} && "$0" -e "$1" "$2"`;
  const args = ['-c', script, process.execPath, save, path.join(folder, 'old.png')];
  return spawnSync('sh', args, { encoding: 'utf8', cwd: path.resolve(__dirname, '..') });
}

function checkUnharmed(t: Test, folder: string): void {
  t.strictSame(readdirSync(folder), ['old.png'], 'nothing unfinished is left behind');
  t.equal(readFileSync(path.join(folder, 'old.png'), 'utf8'), 'old');
}

t.test(
  'a write that fails in its middle',
  { skip: process.platform === 'win32' && 'needs a POSIX shell' },
  async (t) => {
    const folder = t.testdir({ 'old.png': 'old' });
    const { stdout, stderr } = saveUnder('ulimit -f 64', folder);
    t.match(stdout, /^FILE_NOT_WRITABLE .*old\.png could not be written: it is larger than files may be here/, stderr);
    checkUnharmed(t, folder);
    t.equal(saveUnder('true', folder).stdout, 'saved\n', 'without the limit it works');
  },
);

t.test('a full disk', async (t) => {
  const folder = t.testdir();
  // A mount of its own, which only this shell and what it starts see: listed before it ends.
  const mount = `mount -t tmpfs -o size=96k none "${folder}" && printf old > "${folder}/old.png"`;
  if (spawnSync('unshare', ['-rm', 'sh', '-c', mount]).status !== 0) {
    t.pass('skipped: file systems cannot be mounted here');
    return;
  }
  const save = `new (require('./dist').Image)(256, 256, require('node:crypto').randomBytes(196608)).save(process.argv[1])
    .catch(({ code, message }) => console.log(code, message))`;
  const script = `${mount} && "$0" -e "$1" "${folder}/old.png" && ls -A "${folder}" && cat "${folder}/old.png"`;
  const args = ['-rm', 'sh', '-c', script, process.execPath, save];
  const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', cwd: path.resolve(__dirname, '..') });
  t.match(stdout, /^FILE_NOT_WRITABLE .*old\.png could not be written: the disk is full\nold\.png\nold$/, stderr);
});

t.test('writes at once to one path leave one of them whole', async (t) => {
  const folder = t.testdir();
  const file = path.join(folder, 'a');
  const bodies = Array.from({ length: 8 }, (_, i) => Buffer.alloc(100_000, i));
  writeFileSync(file, 'old');
  await Promise.all(bodies.map((body) => writeWhole(file, body)));
  const written = await readWhole(file);
  t.ok(bodies.some((body) => body.equals(written)));
  t.strictSame(readdirSync(folder), ['a']);
});
