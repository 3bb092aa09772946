/** The engine processes that a test starts, in order: to kill them and to see what becomes of them. */
import childProcess, { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export function watchEngineProcesses(): ChildProcess[] {
  const started: ChildProcess[] = [];
  const { fork } = childProcess;
  childProcess.fork = ((...args: Parameters<typeof fork>) => {
    const child = fork(...args);
    started.push(child);
    return child;
  }) as typeof fork;
  return started;
}

export async function ended(child: ChildProcess): Promise<void> {
  child.ref(); // an idle engine keeps nothing alive
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Kills the process once it has begun so many calls, which then are under way for as long as they take. */
export function killWhenBegun(child: ChildProcess, calls = 1): void {
  let begun = 0;
  child.on('message', ({ kind }: { kind: string }) => {
    if (kind === 'began' && ++begun === calls) child.kill('SIGKILL');
  });
}
