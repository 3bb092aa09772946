'use strict';
// Long runs of what an app does to an engine: aborts, disposals, crashes, many requests. Prints figures, and ends with 1 where one is not as it must be.
// Usage: node scripts/check-lifecycle.cjs [--scale 0.1] [part of a check's name]; --scale makes the runs shorter.
const childProcess = require('node:child_process');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { Pipeline } = require('../dist');

const { values, positionals } = parseArgs({
  options: { scale: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const times = (count) => Math.max(1, Math.round(count * Number(values.scale)));
const file = path.resolve(__dirname, '..', 'test', 'fixtures', 'networks', 'avatar.safetensors');
const request = { prompt: 'a smiling woman', negativePrompt: 'a hat', width: 32, height: 32, steps: 4, cfgScale: 4 };
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const load = (options) => Pipeline.load(file, { threads: 2, ...options });

/** Node 20 has no `await using`. */
async function withPipeline(options, use) {
  const pipeline = await load(options);
  try {
    return await use(pipeline);
  } finally {
    await pipeline.dispose();
  }
}

/** What a promise came to: `done`, or the code of its error. */
const endOf = (promise) =>
  promise.then(
    () => 'done',
    (error) => error.code ?? String(error),
  );

async function count(ends) {
  const counts = {};
  for (const end of await Promise.all(ends)) counts[end] = (counts[end] ?? 0) + 1;
  return counts;
}

function expectOnly(counts, ...allowed) {
  const others = Object.keys(counts).filter((end) => !allowed.includes(end));
  if (others.length > 0) throw new Error(`unexpected ends: ${others.join(', ')}`);
  return Object.entries(counts)
    .map(([end, n]) => `${n} ${end}`)
    .join(', ');
}

/** Several seeds' pictures, to be compared with those of an engine that has been through something. */
async function bytesOf(pipeline) {
  const { images } = await pipeline.txt2img({ ...request, seed: 1, batchSize: 2 });
  return Buffer.concat(images.map(({ data }) => data));
}

async function expectSound(pipeline) {
  const expected = await withPipeline({}, bytesOf);
  if (!(await bytesOf(pipeline)).equals(expected)) throw new Error('the pictures have changed');
}

const checks = {
  async 'aborts at random moments'() {
    return withPipeline({}, async (pipeline) => {
      const seconds = await timeOf(() => pipeline.txt2img({ ...request, seed: 1 }));
      const ends = {};
      for (let i = 0; i < times(1000); i += 4) {
        const four = [0, 1, 2, 3].map((j) => {
          const cancel = new AbortController();
          setTimeout(() => cancel.abort(), Math.random() * seconds * 2000);
          return endOf(pipeline.txt2img({ ...request, seed: i + j, signal: cancel.signal, priority: j % 2 }));
        });
        for (const [end, n] of Object.entries(await count(four))) ends[end] = (ends[end] ?? 0) + n;
      }
      await expectSound(pipeline);
      return expectOnly(ends, 'done', 'ABORTED');
    });
  },

  async 'disposals during a run, loads during loads'() {
    const ends = {};
    for (let i = 0; i < times(100); i++) {
      const [pipeline, other] = await Promise.all([load(), load()]);
      const running = [1, 2, 3].map((seed) => endOf(pipeline.txt2img({ ...request, steps: 50, seed })));
      await sleep(Math.random() * 30);
      const disposed = pipeline.dispose();
      for (const [end, n] of Object.entries(await count(running))) ends[end] = (ends[end] ?? 0) + n;
      await disposed;
      if (i === 0) await expectSound(other);
      await other.dispose();
    }
    return expectOnly(ends, 'done', 'DISPOSED');
  },

  async 'loads that are aborted'() {
    const ends = [];
    for (let i = 0; i < times(100); i++) {
      const cancel = new AbortController();
      setTimeout(() => cancel.abort(), Math.random() * 20);
      const loading = load({ signal: cancel.signal });
      ends.push(endOf(loading));
      await loading.then(
        (pipeline) => pipeline.dispose(),
        () => {},
      );
    }
    return expectOnly(await count(ends), 'done', 'ABORTED');
  },

  async 'resident memory over many requests'() {
    return withPipeline({}, async (pipeline) => {
      const draw = async (requests) => {
        for (let i = 0; i < requests; i++) await pipeline.txt2img({ ...request, prompt: `picture ${i}`, seed: i });
        global.gc();
        await sleep(50);
        return process.memoryUsage().rss;
      };
      await draw(times(500)); // fills the caches
      const before = await draw(times(100));
      const after = await draw(times(500));
      const growth = (after - before) / before;
      if (growth > 0.02) throw new Error(`it grew by ${(growth * 100).toFixed(2)} %`);
      return `${mib(before)}, after ${times(500)} more ${mib(after)}: ${(growth * 100).toFixed(2)} %`;
    });
  },

  async 'resident memory over many models'() {
    const cycle = async (models) => {
      for (let i = 0; i < models; i++) {
        await withPipeline({}, (pipeline) => pipeline.txt2img({ ...request, seed: i }));
      }
      global.gc();
      await sleep(50);
      return process.memoryUsage().rss;
    };
    await cycle(times(400));
    const before = await cycle(times(100));
    const after = await cycle(times(200));
    const growth = (after - before) / before;
    if (growth > 0.02) throw new Error(`it grew by ${(growth * 100).toFixed(2)} %`);
    return `${mib(before)}, after ${times(200)} more ${mib(after)}: ${(growth * 100).toFixed(2)} %`;
  },

  async 'workers that are terminated inside a step'() {
    const startWorker = async () => {
      const worker = new Worker(__filename);
      await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      return worker;
    };
    for (let i = 0; i < times(50); i++) {
      const workers = await Promise.all([startWorker(), startWorker()]);
      await sleep(Math.random() * 10);
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    await withPipeline({}, expectSound);
    return `${times(50) * 2} of them`;
  },

  async 'processes that exit inside a step'() {
    const program = `require('./dist').Pipeline.load(${JSON.stringify(file)}, { threads: 2 }).then((pipeline) => {
      for (const seed of [1, 2]) pipeline.txt2img({ prompt: 'a', steps: 500, seed }).catch(() => {});
      setTimeout(() => process.exit(0), Math.random() * 50);
    });`;
    for (let i = 0; i < times(50); i++) {
      const { status, signal, stderr } = childProcess.spawnSync(process.execPath, ['-e', program], {
        cwd: path.resolve(__dirname, '..'),
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`it ended with ${status ?? signal}: ${stderr}`);
    }
    return `${times(50)} of them`;
  },

  async 'isolated engines that are killed at random moments'() {
    const { fork } = childProcess;
    let engine;
    childProcess.fork = (...args) => {
      engine = fork(...args);
      return engine;
    };
    return withPipeline({ isolate: true }, async (pipeline) => {
      const ends = [];
      for (let i = 0; i < times(100); i++) {
        const drawing = [1, 2].map((seed) => endOf(pipeline.txt2img({ ...request, steps: 20, seed })));
        ends.push(...drawing);
        setTimeout(() => engine.kill('SIGKILL'), Math.random() * 100);
        await Promise.all(drawing);
      }
      await expectSound(pipeline);
      return expectOnly(await count(ends), 'done', 'ENGINE_CRASHED');
    });
  },
};

async function timeOf(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** In a worker thread: draws until it is terminated. */
async function drawOn() {
  const pipeline = await load();
  const onStep = ({ step }) => step === 2 && parentPort.postMessage('second');
  await pipeline.txt2img({ ...request, steps: 500, seed: 1, onStep }).catch(() => {});
}

/** A young generation that has its full size from the start: its growth is not the engine's. */
const flags = ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16'];

async function main() {
  if (!global.gc) {
    const args = [...flags, __filename, ...process.argv.slice(2)];
    process.exitCode = childProcess.spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
    return;
  }
  for (const [name, check] of Object.entries(checks)) {
    if (!name.includes(positionals[0] ?? '')) continue;
    try {
      let result;
      const seconds = await timeOf(async () => {
        result = await check();
      });
      console.log(`ok      ${name}: ${result} (${seconds.toFixed(1)} s)`);
    } catch (error) {
      console.log(`NOT OK  ${name}: ${error.message}`);
      process.exitCode = 1;
    }
  }
}

if (isMainThread) main();
else drawOn();
