import t from 'tap';
import { createDenoiser, createPairDenoiser, type Prediction } from '../../lib/pipeline/denoiser';
import { euler } from '../../lib/sampling/samplers/euler';
import { createFlowNoiseModel, createNoiseModel } from '../../lib/sampling/schedules';

const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

// A known image under known noise: every kind of perfect prediction has to lead back to the image.
const image = Float32Array.of(0.5, -1.25, 2, 0.1);
const noise = Float32Array.of(1.5, 0.3, -0.7, -2);
const perfect: Record<Exclude<Prediction, 'flow'>, (alpha: number) => Float32Array> = {
  epsilon: () => noise,
  v_prediction: (alpha) => noise.map((value, i) => Math.sqrt(alpha) * value - Math.sqrt(1 - alpha) * image[i]),
  x0: () => image,
};

for (const prediction of Object.keys(perfect) as (keyof typeof perfect)[]) {
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

for (const shift of [1, 3]) {
  t.test(`flow: a perfect prediction gives the image, at every level, shift ${shift}`, async (t) => {
    const flowModel = createFlowNoiseModel({ shift });
    for (const timestep of [0, 250, 500.5, 999]) {
      const sigma = flowModel.timestepToSigma(timestep);
      const share = sigma / (1 + sigma);
      const denoise = createDenoiser({
        model: flowModel,
        prediction: 'flow',
        predictNoise: async (scaled, seenTimestep) => {
          t.ok(Math.abs(seenTimestep / 1000 - share) < 1e-9, `asked at ${seenTimestep}`);
          const trained = image.map((value, i) => (1 - share) * value + share * noise[i]);
          t.ok(scaled.every((value, i) => Math.abs(value - trained[i]) < 1e-6));
          return noise.map((value, i) => value - image[i]);
        },
      });
      const x = image.map((value, i) => value + sigma * noise[i]);
      const denoised = await denoise(x, sigma);
      // At the last level the image is a two-thousandth of x, which f32 rounds.
      t.ok(denoised.every((value, i) => Math.abs(value - image[i]) < 1e-5 + 1e-6 * sigma));
    }
  });
}

t.test("Euler's method over a flow's levels is Euler's method in the flow's own space", async (t) => {
  const flow = (x: number, share: number) => Math.sin(2 * x) - share * x;
  const shares = [0.9, 0.6, 0.35, 0.1, 0];
  let own = Array.from(noise);
  shares.slice(1).forEach((share, i) => {
    own = own.map((x) => x + (share - shares[i]) * flow(x, shares[i]));
  });
  const denoise = createDenoiser({
    model: createFlowNoiseModel(),
    prediction: 'flow',
    predictNoise: async (x, timestep) => x.map((value) => flow(value, timestep / 1000)),
  });
  const sigmas = shares.map((share) => share / (1 - share));
  let x = noise.map((value) => value / (1 - shares[0]));
  for await (const step of euler(denoise, x, sigmas, { noise: () => image })) x = Float32Array.from(step.x);
  t.ok(own.every((value, i) => Math.abs(value - x[i]) < 1e-5));
});

t.test('a pair is what two denoisers give, from one evaluation', async (t) => {
  const predict = (factor: number) => async (x: Float32Array) => x.map((value) => factor * value);
  for (const prediction of ['epsilon', 'v_prediction', 'x0', 'flow'] as const) {
    let evaluations = 0;
    const pair = createPairDenoiser({
      model,
      prediction,
      predictPair: async (x) => {
        evaluations++;
        return { guided: await predict(0.7)(x), unconditional: await predict(-0.2)(x) };
      },
    });
    const alone = (factor: number) => createDenoiser({ model, prediction, predictNoise: predict(factor) })(noise, 2.5);
    t.same(await pair(noise, 2.5), { denoised: await alone(0.7), unconditional: await alone(-0.2) });
    t.equal(evaluations, 1);
  }
});

t.test('an unknown kind of prediction is refused', async (t) => {
  const options = { model, prediction: 'score' as Prediction, predictNoise: async () => image };
  t.throws(() => createDenoiser(options), {
    code: 'INVALID_ARGUMENT',
    message: "prediction: expected one of epsilon, v_prediction, x0, flow, got 'score'",
  });
});
