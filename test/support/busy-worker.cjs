'use strict';
// A program whose environment ends while the engine works: argv[2] is the model; a worker is terminated inside a step, then the
// process exits inside one. Prints what it came to.
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { Pipeline } = require('../../dist');

const steps = { prompt: 'a', steps: 500, seed: 1, width: 64, height: 64 };

async function startSteps(file, onThird) {
  const pipeline = await Pipeline.load(file, { threads: 2 });
  pipeline.txt2img({ ...steps, onStep: ({ step }) => step === 3 && onThird() }).catch(() => {});
}

async function main() {
  const file = process.argv[2];
  const worker = new Worker(__filename, { workerData: file });
  await new Promise((resolve) => worker.on('message', resolve));
  await worker.terminate();
  console.log('terminated');
  await startSteps(file, () => {
    console.log('exit');
    process.exit(0);
  });
}

if (isMainThread) main();
else startSteps(workerData, () => parentPort.postMessage('third'));
