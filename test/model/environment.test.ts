/** The engine beside the rest of a program: environments that end while it works, and an event loop that goes on. */
import { spawnSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { Pipeline } from '../../lib/index';
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

t.test("the event loop and libuv's pool are free while the engine works", async (t) => {
  await using pipeline = await Pipeline.load(networkPath('avatar.safetensors'), { threads: 1 });
  const cancel = new AbortController();
  const draw = (seed: number) =>
    pipeline.txt2img({ prompt: 'a', steps: 1000, width: 128, height: 128, seed, signal: cancel.signal });
  let ended = 0;
  const requests = Array.from({ length: 8 }, (_, i) => draw(i).finally(() => ended++)); // more than the pool has threads
  const work = Array.from({ length: 32 }, () => [stat(__filename), readFile(__filename), lookup('127.0.0.1')]);
  await Promise.all(work.flat());
  await new Promise((resolve) => setTimeout(resolve, 1));
  t.equal(ended, 0, 'files, names and timers did not wait for a request');
  cancel.abort();
  await Promise.all(requests.map((request) => t.rejects(request, { code: 'ABORTED' })));
});
