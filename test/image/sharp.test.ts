import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { loadSharp } from '../../lib/image/sharp';

const root = join(__dirname, '../..');

t.test('where sharp cannot be loaded, an error says what to do', async (t) => {
  const cause = new Error('no binary');
  const load = () => {
    throw cause;
  };
  t.throws(() => loadSharp(load), { name: 'DiffusionError', code: 'ADDON_NOT_FOUND', message: /npm install/, cause });
  const sharp = loadSharp();
  t.type(sharp, 'function');
  t.equal(loadSharp(load), sharp, 'it is loaded once');
});

t.test('the package loads without it, in a thread too', async (t) => {
  const code = `require(${JSON.stringify(join(root, 'dist/image/image'))});
    const loaded = Object.keys(require.cache).some((file) => /node_modules.(sharp|@img)/.test(file));`;
  t.equal(execFileSync(process.execPath, ['-e', `${code} console.log(loaded)`], { encoding: 'utf8' }).trim(), 'false');

  const thread = new Worker(
    `${code} const { Image } = require(${JSON.stringify(join(root, 'dist/image/image'))});
    new Image(2, 1, new Uint8Array(6)).toPNG().then((png) => Image.open(png)).then(
      (image) => require('node:worker_threads').parentPort.postMessage([loaded, image.width]));`,
    { eval: true },
  );
  const [loaded, width] = await new Promise<[boolean, number]>((resolve, reject) => {
    thread.once('message', resolve).once('error', reject);
  });
  await thread.terminate();
  t.strictSame([loaded, width], [false, 2]);
});
