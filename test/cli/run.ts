/** Runs the command line as a person does. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

const program = path.resolve(__dirname, '..', '..', 'bin', 'node-diffusion.cjs');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export function run(args: string[], onStart?: (child: ChildProcess) => void): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (ended.stdout += chunk));
  child.stderr.on('data', (chunk) => (ended.stderr += chunk));
  onStart?.(child);
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...ended, code })));
}
