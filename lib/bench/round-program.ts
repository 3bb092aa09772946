/** The process of one round (round.ts): a configuration as JSON in its argument, an answer to its parent. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DiffusionError } from '../errors';
import { Pipeline } from '../pipeline/pipeline';
import type { Txt2ImgRequest } from '../pipeline/request';
import { benchPrompt } from './prompt';
import type { Configuration, Round, RoundAnswer } from './round';
import { spreadOf } from './statistics';

/** Of the process so far. */
const peakBytes = () => process.resourceUsage().maxRSS * 1024;
const secondsSince = (start: number) => (performance.now() - start) / 1000;

async function measure({ model, width, height, steps, precision, threads }: Configuration): Promise<Round> {
  const request = { width, height, cfgScale: 7, seed: 1 };
  const started = performance.now();
  const pipeline = await Pipeline.load(model, { precision, threads });
  const loaded = { load: secondsSince(started), peakAfterLoadBytes: peakBytes() };

  // Builds the graphs and touches the buffers. Other words than below: embeddings are kept.
  const first = { ...request, prompt: 'a cat', negativePrompt: 'a dog', steps: 1 };
  await (await pipeline.txt2img(first)).images[0].toPNG();
  const before = await pipeline.model.stats();

  const drawn = await draw(pipeline, { ...request, ...benchPrompt, steps }, before.predictNoiseSeconds);
  const after = await pipeline.model.stats();
  const held = { weightBytes: pipeline.info.weightBytes, computeBytes: after.computeBytes, peakBytes: peakBytes() };
  const abort = await measureAbort(pipeline, { ...request, ...benchPrompt, steps: 50 }, spreadOf(drawn.step).median);
  await pipeline.dispose();
  return {
    ...{ ...loaded, ...drawn, ...held, abort },
    text: after.encodeTextSeconds + after.contextSeconds - before.encodeTextSeconds - before.contextSeconds,
    decode: after.decodeSeconds - before.decodeSeconds,
    firstDecode: before.decodeSeconds,
    unetOperations: after.predictNoiseOperations,
    decodeOperations: after.decodeOperations,
  };
}

async function draw(pipeline: Pipeline, request: Txt2ImgRequest, unetSeconds: number) {
  const [loopDelay, stepDelay] = [1, 2].map(() => monitorEventLoopDelay({ resolution: 1 }));
  const [step, unet]: number[][] = [[], []];
  let inUnet = unetSeconds;
  loopDelay.enable();
  const started = performance.now();
  let last = 0;
  const { images } = await pipeline.txt2img({
    ...request,
    async onStep(event) {
      // The first step's time has the text's in it, which the engine tells apart.
      const stats = await pipeline.model.stats();
      unet.push(stats.predictNoiseSeconds - inUnet);
      step.push(event.step === 1 ? stats.predictNoiseSeconds - inUnet : secondsSince(last));
      inUnet = stats.predictNoiseSeconds;
      // From the first step's end to the last one's: steps alone, without text and decoding.
      if (event.step === 1) stepDelay.enable();
      if (event.step === event.steps) stepDelay.disable();
      last = performance.now();
    },
  });
  const seconds = secondsSince(started);
  await images[0].toPNG();
  loopDelay.disable();
  const delay = { steps: stepDelay.max / 1e9, request: loopDelay.max / 1e9 };
  return { step, unet, request: seconds, loopDelay: delay };
}

/** Seconds from an abort in the middle of the first step to the rejection. */
async function measureAbort(pipeline: Pipeline, request: Txt2ImgRequest, stepSeconds: number): Promise<number> {
  const cancel = new AbortController();
  let abortedAt = Number.NaN;
  setTimeout(() => {
    abortedAt = performance.now();
    cancel.abort();
  }, stepSeconds * 500);
  await pipeline.txt2img({ ...request, signal: cancel.signal }).catch((error) => {
    if (error.code !== 'ABORTED') throw error;
  });
  return secondsSince(abortedAt);
}

function answer(message: RoundAnswer): void {
  process.off('disconnect', leave);
  process.send!(message, () => process.connected && process.disconnect());
}

const leave = () => process.exit();
process.on('disconnect', leave); // nobody waits for the figures any more

measure(JSON.parse(process.argv[2])).then(
  (round) => answer({ round }),
  (error) => answer({ code: error instanceof DiffusionError ? error.code : undefined, message: error.message }),
);
