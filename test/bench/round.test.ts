/** The process that is measured, alone: who it belongs to. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import type { Configuration } from '../../lib/bench/round';
import { networkPath } from '../support/safetensors';

const program = path.resolve(__dirname, '..', '..', 'dist', 'bench', 'round-program.js');

t.test('it ends with the process that began it, in silence', async (t) => {
  const thousand: Configuration = {
    ...{ model: networkPath('avatar.safetensors'), width: 64, height: 64 },
    ...{ steps: 1000, precision: 'auto', threads: 1 },
  };
  for (const milliseconds of [0, 1500]) {
    const child = fork(program, [JSON.stringify(thousand)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const ended = Promise.all([once(child, 'exit'), child.stderr!.toArray()]);
    await wait(milliseconds);
    child.disconnect(); // as when the parent is killed
    t.strictSame(await ended, [[0, null], []], `after ${milliseconds} ms`);
  }
});
