import t from 'tap';
import { createDenoiser, type Prediction } from '../../lib/pipeline/denoiser';
import { createNoiseModel } from '../../lib/sampling/schedules';

const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

// A known image under known noise: every kind of perfect prediction has to lead back to the image.
const image = Float32Array.of(0.5, -1.25, 2, 0.1);
const noise = Float32Array.of(1.5, 0.3, -0.7, -2);
const perfect: Record<Prediction, (alpha: number) => Float32Array> = {
  epsilon: () => noise,
  v_prediction: (alpha) => noise.map((value, i) => Math.sqrt(alpha) * value - Math.sqrt(1 - alpha) * image[i]),
  sample: () => image,
};

for (const prediction of Object.keys(perfect) as Prediction[]) {
  t.test(`${prediction}: a perfect prediction gives the image, at every level`, async (t) => {
    for (const timestep of [0, 250, 500.5, 999]) {
      const sigma = model.timestepToSigma(timestep);
      const alpha = 1 / (1 + sigma ** 2);
      const x = image.map((value, i) => value + sigma * noise[i]);
      const kept = x.slice();
      const denoise = createDenoiser({
        model,
        prediction,
        predictNoise: async (scaled, seenTimestep) => {
          t.ok(Math.abs(seenTimestep - timestep) < 1e-6, `asked at ${seenTimestep}`);
          const trained = image.map((value, i) => Math.sqrt(alpha) * value + Math.sqrt(1 - alpha) * noise[i]);
          t.ok(scaled.every((value, i) => Math.abs(value - trained[i]) < 1e-6));
          return perfect[prediction](alpha);
        },
      });
      const denoised = await denoise(x, sigma);
      t.ok(denoised.every((value, i) => Math.abs(value - image[i]) < 1e-5));
      t.same(x, kept);
    }
  });

  t.test(`${prediction}: a prediction of another length is refused`, async (t) => {
    const denoise = createDenoiser({ model, prediction, predictNoise: async () => new Float32Array(3) });
    await t.rejects(denoise(image, 1), { code: 'INVALID_ARGUMENT' });
  });
}

t.test('an unknown kind of prediction is refused', async (t) => {
  const options = { model, prediction: 'flow' as Prediction, predictNoise: async () => image };
  t.throws(() => createDenoiser(options), {
    code: 'INVALID_ARGUMENT',
    message: "prediction: expected one of epsilon, v_prediction, sample, got 'flow'",
  });
});
