/** Writing to standard output in such a way that a failure is one. */
import { DiffusionError } from '../errors';

const ignore = () => {}; // write()'s callback tells

/** Prints a text and a line's end. Throws FILE_NOT_WRITABLE; that a reader has read enough (EPIPE) is no failure. */
export async function print(text: string): Promise<void> {
  const { stdout } = process;
  if (!stdout.listeners('error').includes(ignore)) stdout.on('error', ignore);
  const cause = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => {
    stdout.write(`${text}\n`, resolve);
  });
  if (cause && cause.code !== 'EPIPE') {
    throw new DiffusionError('FILE_NOT_WRITABLE', `standard output could not be written: ${cause.message}`, { cause });
  }
}
