import t from 'tap';
import { toImages } from '../../lib/pipeline/pictures';
import type { ResolvedSampling } from '../../lib/pipeline/sampling-request';

const request = {
  ...{ width: 2, height: 1, steps: 7, batchSize: 2, seed: 41, samplerName: 'ddim', scheduleName: 'karras' },
} as ResolvedSampling;
const facts = (i: number) => ({ prompt: ['', 'a cat'][i], cfgScale: 1, model: 'tiny' });

t.test('planes become interleaved bytes, rounded and clamped', async (t) => {
  const pixels = Float32Array.of(-1, 1, 0, -2, 2, 0.5, 0, 0, 0, 0, 0, 0);
  const [first, second] = await toImages(pixels, request, facts);
  t.strictSame([...first.data], [0, 128, 255, 255, 0, 191]);
  t.strictSame([...second.data], Array(6).fill(128));
  t.match(first.parameters, /^Steps: 7, Sampler: DDIM, Schedule type: Karras, .*Seed: 41, Size: 2x1, Model: tiny$/);
  t.match(second.parameters, /^a cat\n.*Seed: 42/);
});

t.test('a grey plane serves all three channels', async (t) => {
  const [first, second] = await toImages(Float32Array.of(-1, 1, 0, 0), request, facts);
  t.strictSame([...first.data], [0, 0, 0, 255, 255, 255]);
  t.strictSame([...second.data], Array(6).fill(128));
});
