import t from 'tap';
import type { ModelInfo } from '../../lib/model/model';
import { hasLinearPreview, linearPreview } from '../../lib/pipeline/preview';

t.test('latents become a pixel each', async (t) => {
  // Two pictures of one row of two: black latents, then one channel at a time.
  const latents = new Float32Array(2 * 4 * 2);
  latents[1] = 1; // picture 0, channel 0, pixel 1
  latents[8 + 3 * 2] = -2; // picture 1, channel 3, pixel 0
  const [first, second] = linearPreview({ latents, shape: [2, 4, 1, 2] });
  t.match(first, { width: 2, height: 1 });
  const level = (value: number) => Math.round((value + 1) * 127.5);
  t.strictSame([...first.data], [128, 128, 128, level(0.298), level(0.207), level(0.208)]);
  t.strictSame([...second.data.subarray(0, 3)], [level(0.368), level(0.542), level(0.946)]);
});

t.test('only latents of the VAE that Stable Diffusion 1 and 2 share', async (t) => {
  const info = (family: string, latentChannels = 4) => ({ family, vae: { latentChannels } }) as ModelInfo;
  t.ok(hasLinearPreview(info('sd1')));
  t.ok(hasLinearPreview(info('sd2')));
  t.notOk(hasLinearPreview(info('custom')));
  t.notOk(hasLinearPreview(info('sd1', 16)));
});
