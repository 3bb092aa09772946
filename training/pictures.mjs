// Draws the pictures of README and guides with the package itself: docs/images/avatars.png, denoising.png and ddpm.png.
//
//   node pictures.mjs [NAME ...]   (all three by default)

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Resvg } from '@resvg/resvg-js';

const { Image, Pipeline } = createRequire(import.meta.url)('../dist');
const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'images');

const GAP = 12;
const LETTERS = { size: 13, line: 17, perLine: 27 };

const PROMPTS = [
  'a smiling woman with curly red hair and sunglasses',
  'a man with a black beard, green background',
  'a woman with long blond hair, wearing a purple hoodie, yellow background',
  'a surprised person with a blue afro and a red shirt on white',
  'a guy with sunglasses and a yellow hat, blue background',
  'an angry man with short brown hair wearing a black jacket',
  'a pink bob, green sweater, heart eyes, purple background',
  'a girl with an orange bun and glasses',
  'a sad man with gray hair and a moustache, red background',
  'a person in a red hijab and a white sweater, pink background',
  'a winking guy with black dreadlocks and orange overalls',
  'a pirate with an eyepatch and a blue turban, tongue out',
];
const STEPS_SHOWN = [1, 4, 8, 12, 16, 19, 22, 25];

const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** The text in lines of about `perLine` letters. */
function wrap(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1];
    if (line !== '' && line.length + word.length >= LETTERS.perLine) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

/**
 * Pictures row by row, each `cell` pixels wide, with its text below.
 * @param items `{ image, text }`
 */
async function saveSheet(name, items, { columns, cell, lines }) {
  const height = cell + (lines > 0 ? lines * LETTERS.line + 8 : 0);
  const parts = [];
  for (const [i, { image, text }] of items.entries()) {
    const x = GAP + (i % columns) * (cell + GAP);
    const y = GAP + Math.floor(i / columns) * (height + GAP);
    const png = (await image.toBuffer()).toString('base64');
    parts.push(`<image x="${x}" y="${y}" width="${cell}" height="${cell}" href="data:image/png;base64,${png}"/>`);
    for (const [row, line] of (text === undefined ? [] : wrap(text)).entries()) {
      parts.push(`<text x="${x}" y="${y + cell + (row + 1) * LETTERS.line}">${escapeXml(line)}</text>`);
    }
  }
  const width = GAP + columns * (cell + GAP);
  const total = GAP + Math.ceil(items.length / columns) * (height + GAP);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${total}">
    <rect width="100%" height="100%" fill="#fff"/>
    <g font-family="DejaVu Sans, sans-serif" font-size="${LETTERS.size}" fill="#222">${parts.join('')}</g></svg>`;
  writeFileSync(path.join(folder, `${name}.png`), new Resvg(svg).render().asPng());
  console.log(`docs/images/${name}.png: ${width} x ${total}`);
}

/** RGB8 from f32 planes [3, height, width], -1..1. */
function toImage(planes, width, height) {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < rgb.length; i++) {
    const value = planes[(i % 3) * width * height + Math.floor(i / 3)];
    rgb[i] = Math.round((Math.min(1, Math.max(-1, value)) + 1) * 127.5);
  }
  return new Image(width, height, rgb);
}

async function drawAvatars() {
  const pipeline = await Pipeline.load();
  const items = [];
  for (const [i, prompt] of PROMPTS.entries()) {
    const { images } = await pipeline.txt2img({ prompt, seed: i + 1 });
    items.push({ image: images[0], text: `${prompt} (seed ${i + 1})` });
  }
  await pipeline.dispose();
  await saveSheet('avatars', items, { columns: 4, cell: 192, lines: 4 });
}

/** Above, the latents as they are at a step; below, what the network takes them for. Both through the VAE. */
async function drawDenoising() {
  const pipeline = await Pipeline.load();
  const noisy = [];
  const clean = [];
  for await (const step of pipeline.steps({ prompt: PROMPTS[0], seed: 1 })) {
    if (!STEPS_SHOWN.includes(step.step)) continue;
    const [image] = await step.decode();
    const { width, height } = image;
    const factor = pipeline.info.vae.downscale;
    const shape = [1, pipeline.info.vae.latentChannels, height / factor, width / factor];
    const latents = step.latents.map((value) => value / Math.hypot(1, step.sigma));
    noisy.push({ image: toImage(await pipeline.model.decodeLatents(latents, shape), width, height) });
    clean.push({ image, text: `step ${step.step}` });
  }
  await pipeline.dispose();
  const texts = noisy.map(({ image }) => ({ image }));
  await saveSheet('denoising', [...texts, ...clean], { columns: STEPS_SHOWN.length, cell: 96, lines: 1 });
}

async function drawDdpm() {
  const pipeline = await Pipeline.unconditional();
  const { images } = await pipeline.generate({ seed: 1, batchSize: 24 });
  await pipeline.dispose();
  const items = images.map((image) => ({ image: enlarge(image, 2) }));
  await saveSheet('ddpm', items, { columns: 12, cell: 64, lines: 0 });
}

/** Every pixel becomes a square of `times` pixels: rasterising would blur it. */
function enlarge({ width, height, data }, times) {
  const rgb = new Uint8Array(data.length * times * times);
  for (let i = 0; i < rgb.length; i++) {
    const x = Math.floor(i / 3) % (width * times);
    const y = Math.floor(i / 3 / (width * times));
    rgb[i] = data[(Math.floor(y / times) * width + Math.floor(x / times)) * 3 + (i % 3)];
  }
  return new Image(width * times, height * times, rgb);
}

const pictures = { avatars: drawAvatars, denoising: drawDenoising, ddpm: drawDdpm };
const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(pictures)) await pictures[name]();
