'use strict';
// A whole request, stage by stage: seconds, GFLOP/s, memory, how long the event loop waits, how soon an abort settles.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { Pipeline } = require('../dist');
const { loadAddon } = require('../dist/binding/load');
const { writeRandomSd15 } = require('./random-sd15.cjs');

const prompt = 'a smiling woman with curly red hair and sunglasses';
const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** Peak resident memory of the process so far, in bytes. */
const peakBytes = () => process.resourceUsage().maxRSS * 1024;

exports.benchAvatar = (values) => bench('avatar', undefined, { size: 64, steps: 25 }, values);

exports.benchSd15 = async (values) => {
  const file = values.model ?? path.join(os.tmpdir(), 'node-diffusion-random-sd15.safetensors');
  if (values.model === undefined && !fs.existsSync(file)) {
    console.error(`writing random weights of Stable Diffusion 1.5's shapes to ${file} (2.1 GB) ...`);
    await writeRandomSd15(file);
  }
  await bench('sd15', file, { size: 512, steps: 3 }, values);
};

async function bench(name, file, defaults, values) {
  const threads = values.threads === undefined ? os.availableParallelism() : Number(values.threads);
  const size = Number(values.size ?? defaults.size);
  const steps = Number(values.steps ?? defaults.steps);
  const request = { prompt, width: size, height: size, steps, seed: 1 };
  const result = {
    name,
    size,
    steps,
    threads,
    precision: values.precision,
    isa: loadAddon().isa,
    cpu: os.cpus()[0].model,
  };

  let started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  const pipeline = await Pipeline.load(file, { precision: values.precision, threads });
  result.loadSeconds = since();
  result.weightBytes = pipeline.info.weightBytes;
  result.peakAfterLoadBytes = peakBytes();

  await pipeline.txt2img({ ...request, steps: 1 }); // builds the graphs, touches the buffers

  const before = await pipeline.model.stats();
  const loopDelay = monitorEventLoopDelay({ resolution: 1 });
  const stepLoopDelay = monitorEventLoopDelay({ resolution: 1 });
  const stepSeconds = [];
  loopDelay.enable();
  started = performance.now();
  let last = started;
  await pipeline.txt2img({
    ...request,
    onStep({ step }) {
      stepSeconds.push((performance.now() - last) / 1000);
      last = performance.now();
      // From the first step's end to the last one's: steps alone, without text and decoding.
      if (step === 1) stepLoopDelay.enable();
      if (step === steps) stepLoopDelay.disable();
    },
  });
  result.requestSeconds = since();
  loopDelay.disable();
  const after = await pipeline.model.stats();
  result.encodeTextSeconds = after.encodeTextSeconds - before.encodeTextSeconds;
  result.contextSeconds = after.contextSeconds - before.contextSeconds;
  result.stepSeconds = median(stepSeconds.slice(stepSeconds.length > 1 ? 1 : 0));
  result.stepGflops = after.predictNoiseFlops / result.stepSeconds / 1e9;
  result.decodeSeconds = after.decodeSeconds - before.decodeSeconds;
  result.decodeGflops = after.decodeFlops / result.decodeSeconds / 1e9;
  result.computeBytes = after.computeBytes;
  result.peakBytes = peakBytes();
  result.eventLoopDelayMs = { steps: stepLoopDelay.max / 1e6, request: loopDelay.max / 1e6 };
  result.abortMs = await measureAbort(pipeline, request, result.stepSeconds);
  await pipeline.dispose();

  if (values.json) console.log(JSON.stringify(result));
  else print(result);
}

/** Milliseconds from an abort in the middle of the second step to the rejection. */
async function measureAbort(pipeline, request, stepSeconds) {
  const cancel = new AbortController();
  let abortedAt = 0;
  const abort = () => {
    abortedAt = performance.now();
    cancel.abort();
  };
  const onStep = ({ step }) => {
    if (step === 1) setTimeout(abort, stepSeconds * 500);
  };
  try {
    await pipeline.txt2img({ ...request, steps: 50, signal: cancel.signal, onStep });
  } catch (error) {
    if (error.code !== 'ABORTED') throw error;
  }
  return performance.now() - abortedAt;
}

function print(r) {
  const row = (label, value, note = '') => console.log(`  ${label.padEnd(18)}${value.padStart(12)}  ${note}`);
  const s = (seconds) => `${seconds.toFixed(seconds < 1 ? 4 : 2)} s`;
  console.log(
    `${r.name}: ${r.size} x ${r.size}, ${r.steps} steps with guidance, ${r.precision}, ${r.threads} threads, ${r.isa}, ${r.cpu}`,
  );
  row('load', s(r.loadSeconds), gib(r.weightBytes) + ' of weights');
  row('text', s(r.encodeTextSeconds + r.contextSeconds), 'prompt and negative prompt, with cross-attention keys');
  row('step', s(r.stepSeconds), `${r.stepGflops.toFixed(1)} GFLOP/s, conditional and unconditional pass`);
  row('decode', s(r.decodeSeconds), `${r.decodeGflops.toFixed(1)} GFLOP/s`);
  row('whole request', s(r.requestSeconds));
  row('compute buffers', gib(r.computeBytes));
  row('peak memory', gib(r.peakBytes), `of the process; ${gib(r.peakAfterLoadBytes)} after loading`);
  const { steps, request } = r.eventLoopDelayMs;
  row(
    'event loop',
    `${steps.toFixed(1)} ms`,
    `longest delay during steps; ${request.toFixed(1)} ms during the whole request`,
  );
  row('abort', `${r.abortMs.toFixed(0)} ms`, 'from abort() inside a step to the rejection');
}
