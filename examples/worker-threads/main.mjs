// One model in each of several threads: node examples/worker-threads/main.mjs [threads]
// One pipeline in the main thread serves many requests as well and holds the weights once; threads of one's own pay where
// other heavy JavaScript runs beside it.
import { Worker } from 'node:worker_threads';

const count = Number(process.argv[2] ?? 2);
const draw = (seed) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: { seed } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });

const pictures = await Promise.all(Array.from({ length: count }, (_, i) => draw(i + 1)));
for (const { seed, png } of pictures) console.log(`seed ${seed}: a PNG of ${png.length} bytes`);
