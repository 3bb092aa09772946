/** The process of a round with `@lmagder/node-stable-diffusion-cpp`: its addon and options as JSON in, its log and the seconds of loading out. */
import path from 'node:path';

/** What is called of its `index.d.ts`. */
interface Addon {
  createContext(options: object, log: Callback, progress: Callback): Promise<Context>;
}
interface Context {
  txt2img(request: object): Promise<unknown[]>;
  dispose(): Promise<void>;
}
type Callback = (...values: unknown[]) => void;

async function run(addonPath: string, options: Record<string, never>): Promise<void> {
  const { model, width, height, steps, threads, weightType, prompt, negativePrompt } = options;
  const addon: Addon = require(path.resolve(addonPath));
  // In version 0.1.7 the log comes to the callback of progress.
  const log: Callback = (...values) => {
    const text = values.find((value) => typeof value === 'string' && value.length > 5);
    if (text !== undefined) process.stderr.write(`${String(text).trimEnd()}\n`);
  };
  const started = performance.now();
  const loading = { model, weightType, numThreads: threads, vaeDecodeOnly: true, freeParamsImmediately: false };
  const context = await addon.createContext(loading, log, log);
  const load = (performance.now() - started) / 1000;
  const euler = 1;
  const request = { prompt, negativePrompt, width, height, cfgScale: 7, seed: 1, sampleMethod: euler };
  await context.txt2img({ ...request, sampleSteps: 1 });
  await context.txt2img({ ...request, sampleSteps: steps });
  await context.dispose();
  console.log(load);
}

void run(process.argv[2], JSON.parse(process.argv[3]));
