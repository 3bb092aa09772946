/** Environments that end while the engine works: nothing of it may take the process down. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import t from 'tap';
import { networkPath } from '../support/safetensors';

const program = path.resolve(__dirname, '..', 'support', 'busy-worker.cjs');

t.test('a worker is terminated inside a step, then the process exits inside one', async (t) => {
  for (let i = 0; i < 5; i++) {
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [program, networkPath('avatar.safetensors')],
      {
        encoding: 'utf8',
      },
    );
    t.strictSame({ status, signal, stdout }, { status: 0, signal: null, stdout: 'terminated\nexit\n' }, stderr);
  }
});
