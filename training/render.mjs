// Renders the data set: sets of avatars as raw RGB bytes, each picture with its labels and three captions.
//
//   node render.mjs [--build DIR] [--train N] [--large N] [--holdout N] [--withheld N] [--seed N] [--workers N]
//
// Writes DIR/data/{train,holdout,withheld}.rgb (uint8 [N, 64, 64, 3]), the same names .jsonl (one line a picture:
// labels and captions), {train,holdout}-128.rgb (the first pictures once more, 128 x 128), and attributes.json (values
// and palettes, read by the scorer). A file that is there already is left as it is.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import * as avataaars from '@dicebear/avataaars';
import { createAvatar } from '@dicebear/core';
import { Resvg } from '@resvg/resvg-js';
import * as attributes from './attributes.mjs';
import { caption } from './captions.mjs';
import { Random } from './random.mjs';

const SIZE = 64;
const LARGE = 128;
const CAPTIONS = 3;
const SETS = ['train', 'holdout', 'withheld'];

/** Labels and style options of picture `index`; only the set `withheld` shows the withheld pair. */
function describe(set, seed, index) {
  const random = new Random(seed, SETS.indexOf(set), index);
  let labels = set === 'withheld' ? attributes.sampleWithheldLabels(random) : attributes.sampleLabels(random);
  while (set !== 'withheld' && attributes.isWithheld(labels)) labels = attributes.sampleLabels(random);
  const options = attributes.styleOptions(labels, random);
  const captions = Array.from({ length: CAPTIONS }, () => caption(labels, random));
  return { options, record: { ...labels, captions } };
}

/** RGB bytes [size, size, 3] of an avatar. */
function draw(options, size) {
  const svg = createAvatar(avataaars, options).toString();
  const { pixels } = new Resvg(svg, {
    fitTo: { mode: 'width', value: size },
    font: { loadSystemFonts: false },
  }).render();
  const rgb = Buffer.alloc(size * size * 3);
  for (let i = 0; i < size * size; i++) pixels.copy(rgb, i * 3, i * 4, i * 4 + 3);
  return rgb;
}

/** Renders pictures [from, to) of a set into two part files. */
function renderPart({ set, size, seed, from, to, file }) {
  const rgb = fs.openSync(`${file}.rgb`, 'w');
  const lines = [];
  for (let index = from; index < to; index++) {
    const { options, record } = describe(set, seed, index);
    fs.writeSync(rgb, draw(options, size));
    lines.push(JSON.stringify(record));
  }
  fs.closeSync(rgb);
  fs.writeFileSync(`${file}.jsonl`, `${lines.join('\n')}\n`);
}

function runWorker(task) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`render worker exited with ${code}`))));
  });
}

/** Appends the part files to one file, through a temporary name: a set is whole or not there. */
function join(parts, target) {
  fs.rmSync(`${target}.tmp`, { force: true });
  for (const part of parts) {
    fs.appendFileSync(`${target}.tmp`, fs.readFileSync(part));
    fs.rmSync(part);
  }
  fs.renameSync(`${target}.tmp`, target);
}

/** Renders the first `count` pictures of a set in one size; the labels are the same in every size and are written once. */
async function renderSet(set, { size, count, seed, workers, directory }) {
  const name = size === SIZE ? set : `${set}-${size}`;
  const endings = size === SIZE ? ['jsonl', 'rgb'] : ['rgb'];
  if (fs.existsSync(path.join(directory, `${name}.rgb`))) return;
  const started = performance.now();
  const parts = Array.from({ length: workers }, (_, i) => ({
    set,
    size,
    seed,
    from: Math.floor((count * i) / workers),
    to: Math.floor((count * (i + 1)) / workers),
    file: path.join(directory, `${name}.part${i}`),
  }));
  await Promise.all(parts.map(runWorker));
  for (const ending of endings) {
    join(
      parts.map(({ file }) => `${file}.${ending}`),
      path.join(directory, `${name}.${ending}`),
    );
  }
  for (const { file } of parts) fs.rmSync(`${file}.jsonl`, { force: true });
  console.log(`${name}: ${count} pictures in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** Values and palettes for the scorer, so that they are stated once. */
function attributeTable() {
  const names = (values) => Object.keys(values);
  return {
    values: {
      top: names(attributes.TOPS),
      clothing: names(attributes.CLOTHES),
      expression: names(attributes.EXPRESSIONS),
      accessory: names(attributes.ACCESSORIES),
      facialHair: names(attributes.FACIAL_HAIR),
    },
    palettes: {
      hair: attributes.HAIR_COLORS,
      clothes: attributes.CLOTHES_COLORS,
      background: attributes.BACKGROUND_COLORS,
      skin: attributes.SKIN_COLORS,
    },
    hats: attributes.HATS,
  };
}

async function main() {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const { values } = parseArgs({
    options: {
      build: { type: 'string', default: path.join(here, 'build') },
      train: { type: 'string', default: '80000' },
      large: { type: 'string', default: '30000' },
      holdout: { type: 'string', default: '2000' },
      withheld: { type: 'string', default: '500' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
    },
  });
  const directory = path.join(values.build, 'data');
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, 'attributes.json'), `${JSON.stringify(attributeTable(), null, 2)}\n`);
  const common = { seed: Number(values.seed), workers: Number(values.workers), directory };
  for (const set of SETS) await renderSet(set, { ...common, size: SIZE, count: Number(values[set]) });
  await renderSet('train', { ...common, size: LARGE, count: Math.min(Number(values.large), Number(values.train)) });
  await renderSet('holdout', { ...common, size: LARGE, count: Number(values.holdout) });
}

if (isMainThread) await main();
else renderPart(workerData);
