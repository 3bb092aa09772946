'use strict';
// How far finished pictures of the embedded model move when it computes in fewer bits: PSNR against f32, same prompts, same seeds.
const os = require('node:os');
const { Pipeline } = require('../dist');

const faces = ['smiling', 'sad', 'angry', 'surprised', 'winking', 'sleepy', 'calm', 'silly'];
const tops = [
  'short black hair',
  'long blonde hair',
  'curly red hair',
  'a brown bob',
  'a gray bun',
  'an orange afro',
  'spiky blue hair',
  'a green beanie',
];
const people = ['man', 'woman', 'person', 'girl', 'guy'];
const extras = [
  'glasses',
  'a white t-shirt',
  'sunglasses',
  'a red hoodie',
  'a black jacket',
  'an eyepatch',
  'a pink sweater',
];
const backgrounds = ['', ', blue background', ' on a yellow background'];

/** Every face with every top: 64 prompts, person, extra and background in turn. */
const prompts = faces.flatMap((face, i) =>
  tops.map((top, j) => {
    const turn = (list) => list[(i * tops.length + j) % list.length];
    const article = /^[aeiou]/.test(face) ? 'an' : 'a';
    return `${article} ${face} ${turn(people)} with ${top} and ${turn(extras)}${turn(backgrounds)}`;
  }),
);

exports.benchAccuracy = async ({ model, precision = 'bf16,q8_0', steps = '25', threads, json }) => {
  const options = { threads: threads === undefined ? os.availableParallelism() : Number(threads) };
  const draw = (kind) => drawAll(model, { ...options, precision: kind }, Number(steps));
  const reference = await draw('f32');
  for (const kind of precision.split(',')) {
    const drawn = await draw(kind);
    const psnr = drawn.pictures.map((picture, i) => decibels(picture, reference.pictures[i]));
    const mean = psnr.reduce((a, b) => a + b) / psnr.length;
    const worst = Math.min(...psnr);
    const at = psnr.indexOf(worst);
    const result = { precision: kind, format: drawn.format, pictures: psnr.length, steps: Number(steps), mean, worst };
    if (json) console.log(JSON.stringify({ ...result, worstPrompt: prompts[at], worstSeed: at, psnr }));
    else {
      console.log(
        `accuracy: ${kind}, computed in ${drawn.format}: mean PSNR ${mean.toFixed(1)} dB against f32, ` +
          `${psnr.length} pictures of ${steps} steps; worst ${worst.toFixed(1)} dB: '${prompts[at]}', seed ${at}`,
      );
    }
  }
};

/** The pictures of all prompts, and the number format that most of the UNet's products were computed in. */
async function drawAll(file, options, steps) {
  const pipeline = await Pipeline.load(file, options);
  const pictures = [];
  for (const [seed, prompt] of prompts.entries()) {
    pictures.push((await pipeline.txt2img({ prompt, steps, seed })).images[0].data);
  }
  const { predictNoiseOperations } = await pipeline.model.stats();
  await pipeline.dispose();
  const [format] = Object.entries(predictNoiseOperations).reduce((most, entry) => (entry[1] > most[1] ? entry : most));
  return { pictures, format };
}

/** Peak signal-to-noise ratio of RGB8 pictures; that of equal ones counts as if a single value were off by one. */
function decibels(a, b) {
  const squares = a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.length) / Math.max(squares, 1));
}
