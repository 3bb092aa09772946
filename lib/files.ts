/** Files by their paths: what a path may be, and writing that leaves the whole file or what was there. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { DiffusionError } from './errors';

/** Throws `INVALID_ARGUMENT` unless it is the path of some file: text without NUL and without halves of surrogate pairs, which UTF-8 lacks. */
export function checkPath(value: unknown, name = 'path'): asserts value is string {
  const got = typeof value !== 'string' ? typeof value : value === '' ? 'an empty one' : undefined;
  if (got) throw invalid(name, 'a non-empty string', got);
  if (/\0|\p{Surrogate}/u.test(value as string)) {
    throw invalid(name, 'text without NUL or unpaired surrogates', JSON.stringify(value));
  }
}

/** The bytes of a file. Throws `FILE_NOT_FOUND`. */
export async function readWhole(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const why = reasonOf(cause as NodeJS.ErrnoException, file);
    throw new DiffusionError('FILE_NOT_FOUND', `${file} does not exist or cannot be read: ${why}`, { cause });
  }
}

/**
 * Writes beside the path, forces that to the disk, and puts it in place: the path holds either what it held before or the whole file,
 * never a part, whenever the power goes. Throws `FILE_NOT_WRITABLE`; then nothing is left behind.
 */
export async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const unfinished = nameBeside(file);
  try {
    const handle = await open(unfinished, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (cause) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw notWritable(file, cause);
  }
}

/**
 * Tells before the work whether {@link writeWhole} could put a file there, by beginning one and taking it away. Throws
 * `INVALID_ARGUMENT` for what is no path, and `FILE_NOT_WRITABLE`.
 */
export async function checkWritable(file: string): Promise<void> {
  checkPath(file);
  const unfinished = nameBeside(file);
  try {
    const there = await stat(file).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    if (there?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    await (await open(unfinished, 'wx')).close();
    await rm(unfinished);
  } catch (cause) {
    throw notWritable(file, cause);
  }
}

/** A short name of its own: the file's may be as long as names can be. */
function nameBeside(file: string): string {
  return path.join(path.dirname(file), `.${randomBytes(6).toString('hex')}.tmp`);
}

function notWritable(file: string, cause: unknown): DiffusionError {
  const why = reasonOf(cause as NodeJS.ErrnoException, file);
  return new DiffusionError('FILE_NOT_WRITABLE', `${file} could not be written: ${why}`, { cause });
}

function reasonOf(cause: NodeJS.ErrnoException, file: string): string {
  const folder = path.dirname(path.resolve(file));
  const isWriting = cause.syscall !== 'read' && cause.path !== file;
  const reasons: Record<string, string> = {
    ENOENT: isWriting ? `the folder ${folder} does not exist: create it first` : 'there is no such file',
    ENOTDIR: `${folder} is not a folder`,
    EISDIR: 'it is a folder: choose another name',
    ENOTEMPTY: 'it is a folder: choose another name',
    EEXIST: 'it is a folder: choose another name',
    EACCES: `access to ${folder} is not permitted`,
    EPERM: `access to ${folder} is not permitted`,
    EROFS: `${folder} is read-only`,
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EFBIG: 'it is larger than files may be here',
    ENAMETOOLONG: 'the name is too long',
  };
  return reasons[cause.code ?? ''] ?? cause.message;
}

function invalid(name: string, expected: string, actual: string): DiffusionError {
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${actual}`);
}
