'use strict';
// One configuration of `model.cjs`, in a process of its own so that the peak memory is its own: options as JSON in, figures as JSON out.
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { Pipeline } = require('../dist');
const { loadAddon } = require('../dist/binding/load');
const { median } = require('./median.cjs');

/** Peak resident memory of the process so far, in bytes. */
const peakBytes = () => process.resourceUsage().maxRSS * 1024;

async function measure({ file, precision, prompt, size, steps, threads }) {
  const request = { prompt, width: size, height: size, steps, seed: 1 };
  const result = { isa: loadAddon().isa };

  let started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  const pipeline = await Pipeline.load(file, { precision, threads });
  result.loadSeconds = since();
  result.weightBytes = pipeline.info.weightBytes;
  result.peakAfterLoadBytes = peakBytes();

  // Builds the graphs and touches the buffers; the text's embeddings are kept for the next request.
  await (await pipeline.txt2img({ ...request, steps: 1 })).images[0].toPNG();
  const before = await pipeline.model.stats();
  result.textSeconds = before.encodeTextSeconds + before.contextSeconds;
  result.firstDecodeSeconds = before.decodeSeconds;

  const loopDelay = monitorEventLoopDelay({ resolution: 1 });
  const stepLoopDelay = monitorEventLoopDelay({ resolution: 1 });
  const stepSeconds = [];
  const unetSeconds = [];
  loopDelay.enable();
  started = performance.now();
  let last = started;
  let { predictNoiseSeconds } = before;
  const { images } = await pipeline.txt2img({
    ...request,
    async onStep({ step }) {
      stepSeconds.push((performance.now() - last) / 1000);
      // From the first step's end to the last one's: steps alone, without text and decoding.
      if (step === 1) stepLoopDelay.enable();
      if (step === steps) stepLoopDelay.disable();
      const now = await pipeline.model.stats();
      unetSeconds.push(now.predictNoiseSeconds - predictNoiseSeconds);
      ({ predictNoiseSeconds } = now);
      last = performance.now();
    },
  });
  result.requestSeconds = since();
  await images[0].toPNG();
  loopDelay.disable();
  const after = await pipeline.model.stats();
  result.stepSeconds = median(stepSeconds);
  result.unetSeconds = median(unetSeconds);
  result.unetOperations = after.predictNoiseOperations;
  result.decodeSeconds = after.decodeSeconds - before.decodeSeconds;
  result.decodeOperations = after.decodeOperations;
  result.computeBytes = after.computeBytes;
  result.peakBytes = peakBytes();
  result.eventLoopDelayMs = {
    steps: stepLoopDelay.max / 1e6,
    request: loopDelay.max / 1e6,
    request99: loopDelay.percentile(99) / 1e6,
  };
  result.abortMs = await measureAbort(pipeline, request, result.stepSeconds);
  await pipeline.dispose();
  return result;
}

/** Milliseconds from an abort in the middle of the first step to the rejection. */
async function measureAbort(pipeline, request, stepSeconds) {
  const cancel = new AbortController();
  let abortedAt = 0;
  const abort = () => {
    abortedAt = performance.now();
    cancel.abort();
  };
  setTimeout(abort, stepSeconds * 500);
  try {
    await pipeline.txt2img({ ...request, steps: 50, signal: cancel.signal });
  } catch (error) {
    if (error.code !== 'ABORTED') throw error;
  }
  return performance.now() - abortedAt;
}

measure(JSON.parse(process.argv[2])).then((result) => console.log(JSON.stringify(result)));
