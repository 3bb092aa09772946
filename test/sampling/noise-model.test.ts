import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createFlowNoiseModel, createNoiseModel, type NoiseModelOptions } from '../../lib/sampling/noise-model';
import { largestRelativeError } from './close';

interface Case {
  beta_schedule: NoiseModelOptions['betaSchedule'];
  beta_start: number;
  beta_end: number;
  rescale_betas_zero_snr?: boolean;
  toleranceRelative: number;
  indices: number[];
  sigmas: number[];
  timesteps: [sigma: number, timestep: number][];
}

const fixture: { noiseModels: Case[] } = JSON.parse(
  readFileSync(join(__dirname, '../fixtures/sampling/schedulers.json'), 'utf8'),
);

for (const expected of fixture.noiseModels) {
  const zeroTerminalSnr = expected.rescale_betas_zero_snr ?? false;
  t.test(`${expected.beta_schedule}${zeroTerminalSnr ? ', zero terminal SNR' : ''} as in diffusers`, async (t) => {
    const model = createNoiseModel({
      betaSchedule: expected.beta_schedule,
      betaStart: expected.beta_start,
      betaEnd: expected.beta_end,
      trainSteps: 1000,
      zeroTerminalSnr,
    });
    const sigmas = expected.indices.map((i) => model.sigmas[i]);
    t.ok(largestRelativeError(sigmas, expected.sigmas) < expected.toleranceRelative);
    t.equal(model.sigmas.length, 1000);
    t.equal(model.sigmaMin, model.sigmas[0]);
    t.equal(model.sigmaMax, model.sigmas[999]);
    for (const [sigma, timestep] of expected.timesteps) {
      t.ok(Math.abs(model.sigmaToTimestep(sigma) - timestep) < 1e-3, `timestep of sigma ${sigma}`);
    }
  });
}

const sd = { betaSchedule: 'scaled_linear', betaStart: 0.00085, betaEnd: 0.012, trainSteps: 1000 } as const;

t.test('timesteps and sigmas map both ways', async (t) => {
  const model = createNoiseModel(sd);
  for (const timestep of [0, 0.25, 1, 17.5, 500, 998.9, 999]) {
    const back = model.sigmaToTimestep(model.timestepToSigma(timestep));
    t.ok(Math.abs(back - timestep) < 1e-8, `${timestep} came back as ${back}`);
  }
  t.equal(model.timestepToSigma(500), model.sigmas[500]);
  t.equal(model.timestepToSigma(-3), model.sigmaMin);
  t.equal(model.timestepToSigma(2000), model.sigmaMax);
});

const flows: { flowModels: { shift: number; indices: number[]; sigmas: number[] }[] } = JSON.parse(
  readFileSync(join(__dirname, '../fixtures/sampling/schedules.json'), 'utf8'),
);

for (const { shift, indices, sigmas } of flows.flowModels) {
  t.test(`a flow with shift ${shift} as in diffusers`, async (t) => {
    const model = createFlowNoiseModel({ shift });
    t.equal(model.trainSteps, 1000);
    const found = indices.map((i) => model.sigmas[i]);
    const error = largestRelativeError(found, sigmas);
    t.ok(error < 3e-4, `relative error ${error}`); // diffusers has shares of noise near 1 in f32
    t.equal(model.sigmaMax, shift * 1999, 'half a step before pure noise');
    for (const timestep of [0, 0.25, 500, 998.9, 999]) {
      t.ok(Math.abs(model.sigmaToTimestep(model.timestepToSigma(timestep)) - timestep) < 1e-8);
    }
  });
}

t.test('refuses what makes no flow', async (t) => {
  for (const shift of [0, -1, Number.NaN, Infinity]) {
    t.throws(() => createFlowNoiseModel({ shift }), { code: 'INVALID_ARGUMENT', message: /^shift: expected/ });
  }
  t.throws(() => createFlowNoiseModel({ trainSteps: 1 }), { code: 'INVALID_ARGUMENT', message: /^trainSteps: exp/ });
});

t.test('refuses what makes no noise model', async (t) => {
  const cases = [
    { ...sd, trainSteps: 1 },
    { ...sd, trainSteps: 10.5 },
    { ...sd, betaStart: 0 },
    { ...sd, betaStart: 0.5, betaEnd: 0.4 },
    { ...sd, betaEnd: 1 },
    { ...sd, betaSchedule: 'quadratic' },
  ];
  for (const options of cases) {
    t.throws(() => createNoiseModel(options as NoiseModelOptions), { code: 'INVALID_ARGUMENT', message: /expected/ });
  }
});
