import t from 'tap';
import { createNoiseModel } from '../../../lib/sampling/noise-model';
import { aysSd15Schedule, aysSdxlSchedule } from '../../../lib/sampling/schedules/align-your-steps';

const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

t.test('ten steps are the published ones, which are levels of the published timesteps', async (t) => {
  // What the authors give for pipelines that want timesteps; the levels have three decimals.
  for (const [schedule, timesteps] of [
    [aysSd15Schedule, [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]],
    [aysSdxlSchedule, [999, 845, 730, 587, 443, 310, 193, 116, 53, 13]],
  ] as const) {
    const levels = schedule(10, model);
    timesteps.forEach((timestep, i) => {
      t.ok(Math.abs(model.sigmaToTimestep(levels[i]) - timestep) < 1.5, `${levels[i]} is near timestep ${timestep}`);
    });
  }
});

t.test('more steps go through the levels of ten', async (t) => {
  const ten = aysSd15Schedule(10, model);
  const thirty = aysSd15Schedule(30, model);
  ten.slice(0, 10).forEach((level, i) => {
    t.ok(Math.abs(thirty[3 * i] - level) < 1e-12);
  });
});
