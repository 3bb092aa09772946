'use strict';
// Compares estimateMemory() with the peak resident memory of a process that draws one request. Linux only.
//
//   node scripts/check-memory.cjs MODEL [WIDTH HEIGHT BATCH PRECISION]
const { execFileSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { estimateMemory, Pipeline } = require('../dist');

const threads = 2;

async function draw(model, request, precision) {
  const pipeline = await Pipeline.load(model, { precision, threads });
  await pipeline.txt2img({ ...request, prompt: 'a house by the sea', steps: 1, seed: 1, cfgScale: 7 });
  console.log(1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]));
  await pipeline.dispose();
}

async function main([model, width = 512, height = 512, batch = 1, precision = 'auto', child]) {
  if (!model) throw new Error('expected the path of a model');
  const request = { width: Number(width), height: Number(height), batchSize: Number(batch) };
  if (child) return draw(model, request, precision);
  const { totalBytes } = await estimateMemory(model, { ...request, precision, threads });
  const args = [__filename, model, width, height, batch, precision, 'child'].map(String);
  const measured = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  const off = ((totalBytes / measured - 1) * 100).toFixed(1);
  console.log(
    `estimated ${(totalBytes / 1e6).toFixed(0)} MB, measured ${(measured / 1e6).toFixed(0)} MB: ${off} % off`,
  );
  if (Math.abs(totalBytes / measured - 1) > 0.15) process.exitCode = 1;
}

main(process.argv.slice(2));
