import t from 'tap';
import { pndm } from '../../../lib/sampling/samplers/pndm';
import { denoiseGaussian } from '../gaussian';
import { collect, followFullLoops, followReferences } from './harness';

followReferences(t, 'pndm');
followFullLoops(t, 'pndm');

t.test('wants the noise model, for the middle of a step', async (t) => {
  const options = { noise: () => new Float32Array(1) };
  await t.rejects(collect(pndm(denoiseGaussian, new Float32Array(1), [2, 1, 0], options)), {
    code: 'INVALID_ARGUMENT',
    message: "noiseModel: expected the model's, which pndm needs, got none",
  });
});
