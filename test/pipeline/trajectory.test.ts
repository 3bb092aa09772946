/** Whole trajectories against diffusers: DDIM and DPM++ 2M Karras with guidance, from start latents to pixels. */
import t from 'tap';
import { Model, type PlanesShape } from '../../lib/model/model';
import { createDenoiser } from '../../lib/pipeline/denoiser';
import { classifierFreeGuidance } from '../../lib/pipeline/guidance';
import { ddim, dpmpp2m } from '../../lib/sampling/samplers/index';
import { createNoiseModel, karrasSchedule, leadingSchedule } from '../../lib/sampling/schedules';
import { largestDifference, relativeError } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const trajectories = [
  { name: 'ddim', sampler: ddim, schedule: leadingSchedule, steps: 10, rounded: false },
  { name: 'dpmpp_2m_karras', sampler: dpmpp2m, schedule: karrasSchedule, steps: 20, rounded: true },
  { name: 'dpmpp_2m_karras_exact', sampler: dpmpp2m, schedule: karrasSchedule, steps: 20, rounded: false },
];

for (const file of ['sd1', 'sd2', 'avatar']) {
  const reference = readFixture(networkPath(`${file}.ref.safetensors`));

  for (const { name, sampler, schedule, steps, rounded } of trajectories) {
    t.test(`${file}: ${name}, ${steps} steps`, async (t) => {
      const model = await Model.load(networkPath(`${file}.safetensors`), { threads: 1, precision: 'f32' });
      t.teardown(() => model.dispose());
      const { type, betaSchedule, betaStart, betaEnd, trainSteps } = model.info.prediction;
      const noiseModel = createNoiseModel({
        betaSchedule: betaSchedule as 'scaled_linear',
        betaStart,
        betaEnd,
        trainSteps,
      });
      const start = reference.f32('start');
      const shape = start.shape as unknown as PlanesShape;
      const context = await model.createContext(reference.f32('embeddings').data, 2);

      const sigmas = schedule(steps, noiseModel);
      const denoise = createDenoiser({
        model: noiseModel,
        prediction: type,
        // diffusers' DPMSolverMultistepScheduler rounds its Karras timesteps; ours does not.
        predictNoise: async (x, timestep) => {
          const rows = await model.predictNoise(x, shape, rounded ? Math.round(timestep) : timestep, context);
          const [cond, uncond] = [rows.subarray(0, x.length), rows.subarray(x.length)];
          return classifierFreeGuidance(cond, uncond, reference.facts.cfg_scale);
        },
      });
      // diffusers starts both from unit normals in the variance-preserving form.
      const scale = Math.sqrt(sigmas[0] ** 2 + 1);
      let latents = start.data.map((value) => value * scale);
      const noise = () => t.fail('a deterministic sampler drew noise') as never;
      for await (const step of sampler(denoise, latents, sigmas, { noise }))
        latents = step.x as Float32Array<ArrayBuffer>;

      const expected = reference.f32(`${name}.latents`).data;
      const error = relativeError(latents, expected);
      t.ok(error <= 1e-3, `latents: relative L2 error ${error.toExponential(2)} <= 1e-3`);
      const difference = largestDifference(latents, expected);
      const largest = Math.max(...expected.map(Math.abs));
      t.ok(
        difference <= 1e-3 * Math.max(1, largest),
        `latents: largest difference ${difference.toExponential(2)} of ${largest.toFixed(1)}`,
      );

      if (!reference.has(`${name}.pixels`)) return;
      const pixels = await model.decodeLatents(latents, shape);
      const wanted = reference.f32(`${name}.pixels`).data;
      const byte = (value: number) => Math.round((Math.min(1, Math.max(-1, value)) + 1) * 127.5);
      const near = pixels.filter((value, i) => Math.abs(byte(value) - byte(wanted[i])) <= 1).length / wanted.length;
      t.ok(pixels.length === wanted.length && near >= 0.999, `pixels: ${(near * 100).toFixed(2)} % within 1/255`);
    });
  }
}
