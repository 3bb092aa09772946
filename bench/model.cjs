'use strict';
// Whole requests, stage by stage, against the bound that the machine's peaks give, and against stable-diffusion.cpp where there is one.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { embeddedModelPath } = require('../dist');
const { measurePeaks } = require('./kernels.cjs');
const { measurePeers, printPeer } = require('./peers.cjs');
const shapes = require('./model-shapes.cjs');
const { writeRandomModel } = require('./random-weights.cjs');

const prompt = 'a smiling woman with curly red hair and sunglasses';
const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

exports.benchAvatar = (values) =>
  bench('avatar', embeddedModelPath, { precision: 'auto', size: '128', steps: '25' }, values);

const families = {
  sd15: { size: '512,256', steps: '3', gigabytes: 2.1 },
  sd21: { size: '768', steps: '3', gigabytes: 2.6 },
  sdxl: { size: '1024', steps: '1', gigabytes: 6.9 },
};

/** `name`: a key of {@link families}. Random weights of its shapes, unless `--model` names a file. */
exports.benchFamily = async (name, values) => {
  const { gigabytes, ...defaults } = families[name];
  const file = values.model ?? path.join(os.tmpdir(), `node-diffusion-random-${name}.safetensors`);
  if (values.model === undefined && !fs.existsSync(file)) {
    console.error(`writing random weights of ${name}'s shapes to ${file} (${gigabytes} GB) ...`);
    writeRandomModel(file, shapes[name]());
  }
  await bench(name, file, { precision: 'auto,q8_0', ...defaults }, values);
};

async function bench(name, file, defaults, values) {
  const { precision, size, steps } = { ...defaults, ...definedOnly(values) };
  const threads = values.threads === undefined ? os.availableParallelism() : Number(values.threads);
  for (const side of size.split(',').map(Number)) {
    for (const kind of precision.split(',')) {
      const options = { file, precision: kind, prompt, size: side, steps: Number(steps), threads };
      const peaks = measurePeaks(threads);
      const result = { name, ...options, cpu: os.cpus()[0].model, peaks, ...measure(options) };
      result.unetShare = boundSeconds(result.unetOperations, peaks) / result.unetSeconds;
      result.decodeShare = boundSeconds(result.decodeOperations, peaks) / result.decodeSeconds;
      if (!values.json) print(result);
      // One after the other, in turn with ours, on the same file.
      result.peers = await measurePeers(options, (peer) => values.json || printPeer(peer, result));
      if (values.json) console.log(JSON.stringify(result));
    }
  }
}

const definedOnly = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

function measure(options) {
  const text = execFileSync(process.execPath, [path.join(__dirname, 'request.cjs'), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  return JSON.parse(text);
}

/** What the multiply-adds alone would take at the peaks. Those of Winograd's method are counted as a direct convolution's. */
function boundSeconds(operations, peaks) {
  return Object.entries(operations).reduce(
    (sum, [format, count]) => sum + (count === 0 ? 0 : count / peaks[format]),
    0,
  );
}

const total = (operations) => Object.values(operations).reduce((a, b) => a + b);

function print(r) {
  const row = (label, value, note = '') => console.log(`  ${label.padEnd(18)}${value.padStart(12)}  ${note}`);
  const s = (seconds) => `${seconds.toFixed(seconds < 1 ? 4 : 2)} s`;
  const rate = (operations, seconds, share) =>
    `${(total(operations) / seconds / 1e9).toFixed(0)} GOP/s, ${(100 * share).toFixed(1)} % of the bound (${mixture(operations)})`;
  console.log(
    `${r.name}: ${r.size} x ${r.size}, ${r.steps} steps with guidance, ${r.precision}, ${r.threads} threads, ${r.isa}, ${r.cpu}`,
  );
  const peaks = Object.entries(r.peaks).map(([format, peak]) => `${format} ${(peak / 1e9).toFixed(0)}`);
  row('peaks', '', `${peaks.join(', ')} GOP/s`);
  row('load', s(r.loadSeconds), `${gib(r.weightBytes)} of weights`);
  row('text', s(r.textSeconds), 'prompt and negative prompt, with cross-attention keys');
  row('step', s(r.stepSeconds), 'conditional and unconditional pass');
  row('UNet pass', s(r.unetSeconds / 2), rate(r.unetOperations, r.unetSeconds, r.unetShare));
  row('decode', s(r.decodeSeconds), rate(r.decodeOperations, r.decodeSeconds, r.decodeShare));
  row('first decode', s(r.firstDecodeSeconds), 'with its buffers to get');
  row('whole request', s(r.requestSeconds));
  row('compute buffers', gib(r.computeBytes));
  row('peak memory', gib(r.peakBytes), `of the process; ${gib(r.peakAfterLoadBytes)} after loading`);
  const { steps, request, request99 } = r.eventLoopDelayMs;
  row(
    'event loop',
    `${steps.toFixed(1)} ms`,
    `longest delay during steps; ${request.toFixed(1)} ms with decoding and the PNG file, ${request99.toFixed(1)} ms at the 99th percentile`,
  );
  row('abort', `${r.abortMs.toFixed(0)} ms`, 'from abort() inside a step to the rejection');
}

function mixture(operations) {
  const parts = Object.entries(operations).filter(([, count]) => count > 0);
  return parts.map(([format, count]) => `${((100 * count) / total(operations)).toFixed(0)} % ${format}`).join(', ');
}
