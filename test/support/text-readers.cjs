'use strict';
// The readers of untrusted bytes in TypeScript, with seeds, and mutations for them: each must end with a result or a DiffusionError.
const fs = require('node:fs');
const path = require('node:path');
const { DiffusionError } = require('../../dist/errors');
const { fromA1111 } = require('../../dist/image/from-a1111');
const { fromDiffusers } = require('../../dist/image/from-diffusers');
const { parseInfotext, parseParameters } = require('../../dist/image/parse-infotext');
const { crc32ByTable } = require('../../dist/image/png-chunks');
const { pack, sealed } = require('../../dist/pipeline/packing');
const { readRun } = require('../../dist/pipeline/run');
const { Bpe } = require('../../dist/prompt/bpe');
const { parsePrompt } = require('../../dist/prompt/parse-prompt');
const { vocabularyFromMerges } = require('../../dist/prompt/vocabulary');

const pictures = path.join(__dirname, '..', 'fixtures', 'image');
const filesOf = (ending) =>
  fs
    .readdirSync(pictures)
    .filter((name) => ending.test(name))
    .map((name) => fs.readFileSync(path.join(pictures, name)));
const text = (bytes) => Buffer.from(bytes).toString('utf8');
const parameters =
  'a cat, (very:1.2) [dog:bird:0.5]\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 42, Size: 512x512, Model: "a, b", Hires upscale: 2, Hires steps: 3, Denoising strength: 0.4, Clip skip: 2, RNG: CPU';

const info = { family: 'sd1', parameters: 1, weightBytes: 4, precision: 'f32', prediction: { type: 'epsilon' } };
const run = {
  format: 'node-diffusion run 1',
  model: 'sd1, 1 parameters in 4 bytes, f32, predicting epsilon',
  step: 2,
  answers: [[new Float32Array(4)], [new Float32Array(4), new Float32Array(4)]],
  request: { prompt: 'a', seed: 7n, image: { width: 1, height: 1, data: new Uint8Array(3) } },
  functions: ['sampler'],
  direction: { prompts: ['a'], negativePrompts: [''], cfgScale: 7, cfgRescale: 0, guidanceInterval: [0, 1] },
};

// The CRC of every chunk anew, so that mutations get behind it.
function repaired(png) {
  const bytes = Buffer.from(png);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (end + 4 > bytes.length) break;
    bytes.writeUInt32BE(crc32ByTable(bytes.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return bytes;
}

/** name -> seeds, and what reads them */
exports.readers = {
  png: { seeds: filesOf(/\.png$/), read: (bytes) => parseInfotext(repaired(bytes)) },
  'png with any CRC': { seeds: filesOf(/\.png$/), read: parseInfotext },
  'jpeg and webp': { seeds: filesOf(/\.(jpg|webp)$/), read: parseInfotext },
  parameters: { seeds: [Buffer.from(parameters)], read: (bytes) => parseParameters(text(bytes)) },
  'saved run': { seeds: [pack(run)], read: (bytes) => readRun(bytes, info, { sampler: () => {} }) },
  'saved run with any checksum': {
    seeds: [pack(run).subarray(32)],
    read: (bytes) => readRun(sealed([bytes]), info, { sampler: () => {} }),
  },
  merges: {
    seeds: [Buffer.from('#version: 0.2\ni n\nt h\nth e</w>\nin g</w>\n')],
    read: (bytes) => new Bpe(vocabularyFromMerges(text(bytes))).encode('thing'),
  },
  prompt: {
    seeds: [Buffer.from('a (b:1.3) [c:d:5] [e|f] BREAK g AND h :2 <lora:x:1> \\(i\\)')],
    read: (bytes) => parsePrompt(text(bytes), 20),
  },
  translation: {
    seeds: [
      Buffer.from(
        '{"prompt":"a","negative_prompt":"b","steps":20,"sampler_name":"Euler a","cfg_scale":7,"enable_hr":true}',
      ),
      Buffer.from(
        '{"prompt":"a","num_inference_steps":20,"guidance_scale":7,"width":512,"scheduler":{"_class_name":"DDIMScheduler"}}',
      ),
    ],
    read: (bytes) => {
      let options;
      try {
        options = JSON.parse(text(bytes));
      } catch {
        return;
      }
      for (const translate of [fromA1111, fromDiffusers]) attempt(() => translate(options));
    },
  },
};

function attempt(call) {
  try {
    call();
  } catch (error) {
    if (!(error instanceof DiffusionError)) throw error;
  }
}

/** What `read` throws that is no DiffusionError, or a note that it took more than a second of this thread's time. */
exports.complaint = ({ read }, bytes) => {
  const before = process.cpuUsage();
  try {
    attempt(() => read(bytes));
  } catch (error) {
    return error;
  }
  const { user, system } = process.cpuUsage(before);
  return user + system > 1e6 ? new Error(`took ${(user + system) / 1e6} s`) : undefined;
};

/** Uniform integers below n (mulberry32). */
exports.randomFrom = (seed) => {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
};

const words = [
  ...[
    '\xff\xff\xff\xff',
    '\0\0\0\0',
    '\x7f\xff\xff\xff',
    '\x80\0\0\0',
    '\xff\xd8',
    '\xff\xe1',
    'Exif\0\0',
    'MM\0*',
    'II*\0',
  ],
  ...[
    'iTXt',
    'zTXt',
    'tEXt',
    'parameters\0',
    'UNICODE\0',
    'EXIF',
    'Steps: ',
    ', ',
    ': "',
    '"',
    '\\',
    '\n',
    '((',
    '[:',
    '|',
    '\ud83d',
  ],
  ...[
    '"$array":"f32"',
    '"$bigint":"',
    '"offset":',
    '1e999',
    '-1',
    '0.5',
    '9'.repeat(50),
    'null',
    '[]',
    '{}',
    '[[[[',
    '__proto__',
    'toString',
  ],
];

/** Some changes to a seed: bits, bytes, numbers, words, pieces that move, are doubled or left out. */
exports.mutated = (seeds, random) => {
  let bytes = Buffer.from(seeds[random(seeds.length)]);
  for (let changes = 1 + random(6); changes > 0; changes--) {
    const at = random(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + random(32));
    const piece = bytes.subarray(at, end);
    const word = Buffer.from(words[random(words.length)], random(2) ? 'latin1' : 'utf8');
    const other = seeds[random(seeds.length)];
    const kind = random(8);
    if (kind === 0 && at < bytes.length) bytes[at] ^= 1 << random(8);
    else if (kind === 1 && at < bytes.length) bytes[at] = random(256);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at)]);
    else if (kind === 3) word.copy(bytes, at);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    else if (kind === 5)
      bytes = Buffer.concat([bytes.subarray(0, end), ...Array(1 + random(3)).fill(piece), bytes.subarray(end)]);
    else if (kind === 6)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(other).subarray(random(other.length))]);
    else if (random(4) === 0) bytes = bytes.subarray(0, at);
  }
  return bytes;
};
