/** Runs a peer's process: what it writes, and how much memory it held. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { DiffusionError } from '../../errors';

export interface Watched {
  stdout: string;
  /** Both streams as they came. */
  log: string;
  /** Known on Linux only. */
  peakBytes?: number;
}

/** @param isEnough ends the process once its log says so */
export function watch(
  program: string,
  args: string[],
  signal?: AbortSignal,
  isEnough: (log: string) => boolean = () => false,
): Promise<Watched> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    const watched: Watched = { stdout: '', log: '' };
    let wasEnough = false;
    const timer = setInterval(look, 200);
    function look(): void {
      watched.peakBytes = peakOf(child.pid) ?? watched.peakBytes;
    }
    const hear = (chunk: Buffer) => {
      watched.log += chunk;
      look();
      if (wasEnough || !isEnough(watched.log)) return;
      wasEnough = true;
      child.kill('SIGKILL');
    };
    child.stdout.on('data', (chunk) => (watched.stdout += chunk));
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', (cause) => {
      clearInterval(timer);
      reject(signal?.aborted ? new DiffusionError('ABORTED', 'the measurement was aborted', { cause }) : cause);
    });
    child.on('close', (code, ended) => {
      clearInterval(timer);
      if (code === 0 || wasEnough) resolve(watched);
      else reject(new Error(`it ended with ${ended ?? `code ${code}`}: ${lastLine(watched.log)}`));
    });
  });
}

export function lastLine(log: string): string {
  return (
    log
      .trim()
      .split(/[\r\n]+/)
      .at(-1) ?? ''
  );
}

/** Peak resident memory of a process that runs. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
  } catch {
    return undefined;
  }
}
