/** Runs the command line as a person does. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

const program = path.resolve(__dirname, '..', '..', 'bin', 'node-diffusion.cjs');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  /** A file's descriptor in place of the pipe that fills {@link Ended.stdout}. */
  stdout?: number;
  onStart?: (child: ChildProcess) => void;
}

export function run(args: string[], { cwd, stdout = -1, onStart }: RunOptions = {}): Promise<Ended> {
  const out = stdout < 0 ? 'pipe' : stdout;
  const child = spawn(process.execPath, [program, ...args], { cwd, stdio: ['ignore', out, 'pipe'] });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => (ended.stdout += chunk));
  child.stderr?.on('data', (chunk) => (ended.stderr += chunk));
  onStart?.(child);
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...ended, code })));
}
