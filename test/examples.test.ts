/** The examples compile against the package's types, and do what they say. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { Image } from '../lib/index';

const root = path.resolve(__dirname, '..');
const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const node = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: root });
const out = (name: string) => path.join(folder, name);
const example = (name: string) => path.join(root, 'examples', name);

t.test('compile', async (t) => {
  const tsc = require.resolve('typescript/bin/tsc');
  // Errors are on stdout: an exit code other than 0 rejects with it.
  await t.resolves(node(tsc, '-p', 'examples', '--outDir', folder));
  t.ok(readdirSync(folder).length > 0);
});

t.test('each draws a picture', async (t) => {
  for (const [name, file] of [
    ['commonjs', example('node/commonjs.cjs')],
    ['esm', example('node/esm.mjs')],
    ['typescript', out('node/typescript.js')],
  ]) {
    await node('--require', path.join(__dirname, 'support', 'self.cjs'), file, out(`${name}.png`));
    t.match(await Image.open(out(`${name}.png`)), { width: 128, height: 128 }, name);
  }
});

t.test('worker threads', async (t) => {
  const { stdout } = await node(example('worker-threads/main.mjs'), '2');
  t.match(stdout, /^seed 1: a PNG of \d+ bytes\nseed 2: a PNG of \d+ bytes\n$/);
});

t.test('the HTTP server', async (t) => {
  const server = spawn(process.execPath, [example('express/server.mjs')], { env: { ...process.env, PORT: '0' } });
  t.teardown(() => server.kill());
  const url = await new Promise<string>((resolve, reject) => {
    server.stdout.on('data', (text) => resolve(String(text).match(/http:\S+/)![0]));
    server.stderr.on('data', (text) => reject(new Error(String(text))));
  });
  const get = (query: string) => fetch(`${url}/picture?${query}`);
  const drawn = await get('prompt=a+smiling+woman&seed=7');
  t.equal(drawn.headers.get('content-type'), 'image/png');
  t.match(await Image.open(Buffer.from(await drawn.arrayBuffer())), { width: 128, parameters: /Seed: 7,/ });
  const refused = await get('prompt=a&seed=-3');
  t.equal(refused.status, 400);
  t.match(await refused.json(), { code: 'INVALID_REQUEST' });
});

t.test("the Electron app's main process, under Node", async (t) => {
  const { stdout } = await node(path.join(__dirname, 'support', 'electron-app.cjs'), example('electron/main.cjs'));
  const { png, ...result } = JSON.parse(stdout);
  t.strictSame(result, {
    page: 'index.html',
    preload: 'preload.cjs',
    steps: [1, 2, 3].map((step) => ['step', step, 4, true]),
    refused: result.refused,
    cancelled: result.cancelled,
    closed: result.closed,
    again: true,
  });
  t.match(result.refused, { code: 'INVALID_REQUEST' });
  t.match([result.cancelled, result.closed], [{ code: 'ABORTED' }, { code: 'ABORTED' }]);
  t.match(await Image.open(Buffer.from(png, 'base64')), { width: 128, height: 128 });
});
