'use strict';
// Prints how long the event loop is held up while requests of each task are drawn, four at a time, from picture files to picture files: as measured, and
// without the time in which its thread was ready but the system gave it no CPU (Linux alone tells). Ends with 1 where the latter is over 10 ms at the 99th percentile.
//
//   node scripts/check-event-loop.cjs [--model FILE] [--size 512] [--requests 12] [part of a task's name]
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { ControlNet, Image, Pipeline } = require('../dist');

const { values, positionals } = parseArgs({
  options: {
    model: { type: 'string' },
    size: { type: 'string', default: '512' },
    requests: { type: 'string', default: '12' },
  },
  allowPositionals: true,
});
const fixtures = path.resolve(__dirname, '..', 'test', 'fixtures');
const model = values.model ?? path.join(fixtures, 'networks', 'avatar.safetensors');
const [threads, inFlight, side] = [2, 4, Number(values.size)];
const request = { prompt: 'a smiling woman', width: side, height: side, steps: 4, cfgScale: 4 };

/** As large as a phone's, and no two lines alike. */
function photograph(width, height) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = (i * 7 + ((i * i) >> 11)) & 255;
  return new Image(width, height, data).toPNG();
}

const tasks = {
  txt2img: (pipeline) => pipeline.txt2img(request),
  img2img: async (pipeline, file) => pipeline.img2img({ ...request, image: await Image.open(file) }),
  inpaint: async (pipeline, file) => {
    const image = await Image.open(file);
    return pipeline.inpaint({ ...request, image, mask: image, maskBlur: 8 });
  },
  outpaint: async (pipeline, file) => {
    const image = await (await Image.open(file)).resize(side - 64, side - 64);
    const { width, height, ...rest } = request;
    return pipeline.outpaint({ ...rest, image, left: 64, top: 64 });
  },
  control: async (pipeline, file, net) =>
    pipeline.txt2img({ ...request, control: [{ net, image: await Image.open(file) }] }),
};

/** Milliseconds that the main thread has waited for a CPU so far. */
function createWaitClock() {
  if (process.platform !== 'linux') return () => 0;
  const file = fs.openSync(`/proc/self/task/${process.pid}/schedstat`);
  const text = Buffer.alloc(100);
  // Nanoseconds of running, of waiting to run, and a count.
  return () => Number(text.latin1Slice(0, fs.readSync(file, text, 0, 100, 0)).split(' ')[1]) / 1e6;
}

/** What a timer of 1 ms is late by -> sorted milliseconds, as measured and without waiting for a CPU. */
async function delaysDuring(work) {
  const waitedSoFar = createWaitClock();
  const [measured, own] = [[], []];
  let [last, lastWaited] = [performance.now(), waitedSoFar()];
  const timer = setInterval(() => {
    const [now, waited] = [performance.now(), waitedSoFar()];
    const late = Math.max(0, now - last - 1);
    measured.push(late);
    own.push(Math.max(0, late - (waited - lastWaited)));
    [last, lastWaited] = [now, waited];
  }, 1);
  await work();
  clearInterval(timer);
  return [measured, own].map((delays) => Float64Array.from(delays).sort());
}

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
const row = (name, cells) => console.log(name.padEnd(32) + cells.map((cell) => cell.padStart(9)).join(''));
const quantiles = (delays) => [0.5, 0.99, 1].map((share) => quantile(delays, share).toFixed(1));

async function drawAll(draw) {
  let left = Number(values.requests);
  const drawOn = async () => {
    while (left-- > 0) for (const image of (await draw()).images) await image.toPNG();
  };
  await Promise.all(Array.from({ length: inFlight }, drawOn));
}

async function main() {
  row('milliseconds', ['p50', 'p99', 'max', 'own p50', 'own p99', 'own max']);
  const file = await photograph(2048, 1536);
  for (const [name, draw] of Object.entries(tasks)) {
    if (!name.includes(positionals[0] ?? '')) continue;
    if (name === 'control' && values.model) continue; // the ControlNet is of the other one
    const pipeline = await Pipeline.load(model, { threads });
    const net = await ControlNet.load(path.join(fixtures, 'control', 'edges.safetensors'), { threads });
    await draw(pipeline, file, net); // builds the graphs
    const [measured, own] = await delaysDuring(() => drawAll(() => draw(pipeline, file, net)));
    row(`${name}, ${side} x ${side}`, [measured, own].flatMap(quantiles));
    if (quantile(own, 0.99) > 10) process.exitCode = 1;
    await net.dispose();
    await pipeline.dispose();
  }
}

main();
