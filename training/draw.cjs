// Draws the captions of a set with the package itself, for score.py to judge, and checks that the command line draws the same.
//
//   node draw.cjs [--build DIR] [--set holdout|withheld] [--count N] [--seed N] [--name NAME] [--check N]
//                 [--model FILE] [--precision NAME] [--steps N] [--sampler NAME] [--schedule NAME] [--threads N]
//
// Picture i shows the first caption of record i, with seed + i; whatever is not given is the model's own default. Writes
// DIR/drawn-NAME.rgb (uint8 [N, height, width, 3]) and DIR/drawn-NAME.json (set, size and options).
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Image, Pipeline } = require('../dist');

const cli = path.join(__dirname, '..', 'bin', 'node-diffusion.cjs');

const { values } = parseArgs({
  options: {
    build: { type: 'string', default: path.join(__dirname, 'build') },
    set: { type: 'string', default: 'holdout' },
    count: { type: 'string', default: '512' },
    seed: { type: 'string', default: '0' },
    name: { type: 'string' },
    check: { type: 'string', default: '3' },
    model: { type: 'string' },
    precision: { type: 'string' },
    steps: { type: 'string' },
    sampler: { type: 'string' },
    schedule: { type: 'string' },
    threads: { type: 'string' },
  },
});

function readCaptions() {
  const file = path.join(values.build, 'data', `${values.set}.jsonl`);
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(0, Number(values.count));
  return lines.map((line) => JSON.parse(line).captions[0].text);
}

const givenNumber = (text) => (text === undefined ? undefined : Number(text));

/** The same picture from the command line, as pixels. */
async function drawByCli(prompt, seed) {
  const output = path.join(os.tmpdir(), `node-diffusion-check-${process.pid}.png`);
  const given = ['model', 'precision', 'steps', 'sampler', 'schedule', 'threads'].filter((name) => values[name]);
  const options = given.flatMap((name) => [`--${name}`, values[name]]);
  execFileSync(process.execPath, [
    cli,
    '--prompt',
    prompt,
    '--seed',
    String(seed),
    '-o',
    output,
    '--quiet',
    ...options,
  ]);
  const image = await Image.open(output);
  fs.rmSync(output);
  return image.data;
}

async function main() {
  const captions = readCaptions();
  const request = { steps: givenNumber(values.steps), sampler: values.sampler, schedule: values.schedule };
  const loading = { precision: values.precision, threads: givenNumber(values.threads) };
  const pipeline = await Pipeline.load(values.model, loading);
  const base = path.join(values.build, `drawn-${values.name ?? values.set}`);
  const file = fs.openSync(`${base}.rgb`, 'w');
  const started = performance.now();
  let size;
  for (const [i, prompt] of captions.entries()) {
    const seed = Number(values.seed) + i;
    const { images } = await pipeline.txt2img({ ...request, prompt, seed });
    const { width, height, data } = images[0];
    size = [height, width];
    fs.writeSync(file, data);
    if (i < Number(values.check) && !Buffer.from(data).equals(Buffer.from(await drawByCli(prompt, seed)))) {
      throw new Error(`the command line drew another picture of '${prompt}'`);
    }
  }
  fs.closeSync(file);
  const seconds = (performance.now() - started) / 1000;
  const { defaults, precision } = pipeline.info;
  await pipeline.dispose();
  const options = { ...JSON.parse(defaults), ...definedOnly(request), precision };
  fs.writeFileSync(`${base}.json`, JSON.stringify({ set: values.set, size, seed: Number(values.seed), options }));
  console.log(`${base}.rgb: ${captions.length} pictures in ${seconds.toFixed(0)} s, ${JSON.stringify(options)}`);
}

const definedOnly = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

main();
