'use strict';
// A program with an isolated engine: argv[2] is the model, argv[3] what it does: 'idle' ends by itself, 'work' draws until it is killed.
// Prints the engine's process id once that is as said.
const childProcess = require('node:child_process');
const { fork } = childProcess;
let engine;
childProcess.fork = (...args) => {
  engine = fork(...args);
  return engine;
};
const { Pipeline } = require('../../dist');

async function main([file, what]) {
  const pipeline = await Pipeline.load(file, { threads: 1, isolate: true });
  const request = { prompt: 'a', steps: 1000, seed: 1, width: 64, height: 64 };
  const onStep = ({ step }) => step === 3 && console.log(engine.pid);
  if (what === 'work') await pipeline.txt2img({ ...request, onStep });
  else console.log(engine.pid);
}

main(process.argv.slice(2));
