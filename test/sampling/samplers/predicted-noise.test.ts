import t from 'tap';
import { predictedNoise } from '../../../lib/sampling/samplers/predicted-noise';

t.test('is what was added to the denoised latents, in units of sigma', async (t) => {
  const [denoised, noise] = [Float32Array.of(1, -2, 0.5), Float32Array.of(0.25, -1, 2)];
  const x = denoised.map((value, i) => value + 4 * noise[i]);
  t.same(predictedNoise(x, denoised, 4), noise);
});
