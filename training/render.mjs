// Renders the data set: sets of 64 x 64 avatars as raw RGB bytes, each picture with its labels and three captions.
//
//   node render.mjs [--build DIR] [--train N] [--holdout N] [--withheld N] [--seed N] [--workers N]
//
// Writes DIR/data/{train,holdout,withheld}.rgb (uint8 [N, 64, 64, 3]), the same names .jsonl (one line a picture:
// labels and captions), and attributes.json (values and palettes, read by the scorer).

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

/** RGB bytes [64, 64, 3] of an avatar. */
function draw(options) {
  const svg = createAvatar(avataaars, options).toString();
  const { pixels } = new Resvg(svg, {
    fitTo: { mode: 'width', value: SIZE },
    font: { loadSystemFonts: false },
  }).render();
  const rgb = Buffer.alloc(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++) pixels.copy(rgb, i * 3, i * 4, i * 4 + 3);
  return rgb;
}

/** Renders pictures [from, to) of a set into two part files. */
function renderPart({ set, seed, from, to, file }) {
  const rgb = fs.openSync(`${file}.rgb`, 'w');
  const lines = [];
  for (let index = from; index < to; index++) {
    const { options, record } = describe(set, seed, index);
    fs.writeSync(rgb, draw(options));
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

async function renderSet(set, { count, seed, workers, directory }) {
  const parts = Array.from({ length: workers }, (_, i) => ({
    set,
    seed,
    from: Math.floor((count * i) / workers),
    to: Math.floor((count * (i + 1)) / workers),
    file: path.join(directory, `${set}.part${i}`),
  }));
  await Promise.all(parts.map(runWorker));
  for (const ending of ['rgb', 'jsonl']) {
    join(
      parts.map(({ file }) => `${file}.${ending}`),
      path.join(directory, `${set}.${ending}`),
    );
  }
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
      holdout: { type: 'string', default: '2000' },
      withheld: { type: 'string', default: '500' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
    },
  });
  const directory = path.join(values.build, 'data');
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, 'attributes.json'), `${JSON.stringify(attributeTable(), null, 2)}\n`);
  for (const set of SETS) {
    const started = performance.now();
    const count = Number(values[set]);
    await renderSet(set, { count, seed: Number(values.seed), workers: Number(values.workers), directory });
    console.log(`${set}: ${count} pictures in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
}

if (isMainThread) await main();
else renderPart(workerData);
