// A thread of main.mjs: draws one picture and hands its bytes over.
import { parentPort, workerData } from 'node:worker_threads';
import { Pipeline } from 'node-diffusion';

const { seed } = workerData;
const pipeline = await Pipeline.load(undefined, { threads: 1 });
const { images } = await pipeline.txt2img({ prompt: 'a portrait', seed, steps: 8 });
const png = await images[0].toPNG();
await pipeline.dispose();
parentPort?.postMessage({ seed, png });
