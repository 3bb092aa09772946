/** A sampler and a schedule of one's own: both are plain functions. */
import { Pipeline, type Sampler, type Schedule } from 'node-diffusion';

/** Euler's method, written out. */
const myEuler: Sampler = async function* (denoise, x, sigmas) {
  let latents = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(latents, sigmas[i]);
    const ratio = sigmas[i + 1] / sigmas[i];
    latents = latents.map((value, at) => denoised[at] + (value - denoised[at]) * ratio);
    yield { x: latents, denoised };
  }
};

/** Sigmas whose square roots fall evenly, and 0 at the end. */
const evenRoots: Schedule = (steps, { sigmaMin, sigmaMax }) => {
  const [low, high] = [Math.sqrt(sigmaMin), Math.sqrt(sigmaMax)];
  const at = (i: number) => (high + ((low - high) * i) / Math.max(1, steps - 1)) ** 2;
  return [...Array.from({ length: steps }, (_, i) => at(i)), 0];
};

async function main(): Promise<void> {
  const pipeline = await Pipeline.load();
  try {
    const request = { prompt: 'a man with a green beard', seed: 3, sampler: myEuler, schedule: evenRoots };
    const { images } = await pipeline.txt2img(request);
    await images[0].save(process.argv[2] ?? 'out.png');
  } finally {
    await pipeline.dispose();
  }
}

void main();
