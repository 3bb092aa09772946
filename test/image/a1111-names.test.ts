import t from 'tap';
import { knowsSchedule, readStepping } from '../../lib/image/a1111-names';
import { samplerTitles, scheduleTitles } from '../../lib/image/infotext';

t.test('labels, names of the API and names of ours are one', async (t) => {
  for (const label of ['DPM++ 2S a', 'dpm++ 2s a', 'k_dpmpp_2s_a', 'dpmpp_2s_a', 'dpmpp_2s_ancestral']) {
    t.strictSame(readStepping(label, 'SGM Uniform'), { sampler: 'dpmpp_2s_a', schedule: 'sgm_uniform' }, label);
  }
  for (const [sampler, title] of samplerTitles) {
    for (const [schedule, label] of scheduleTitles) {
      for (const pair of [[title, label], [sampler, schedule], [`${title} ${label}`]]) {
        t.strictSame(readStepping(...(pair as [string, string])), { sampler, schedule }, pair.join(', '));
      }
    }
  }
  t.match(readStepping('k_euler_ancestral'), { sampler: 'euler_a' });
  t.match(readStepping('k_dpm_2_a'), { sampler: 'dpm2_a' });
  t.strictSame(readStepping('k_dpmpp_2m_ka'), { sampler: 'dpmpp_2m', schedule: 'karras' });
  t.strictSame(readStepping('k_dpmpp_2m_sde_exp'), { sampler: 'dpmpp_2m_sde', schedule: 'exponential' });
  t.match(readStepping('Euler', 'align_your_steps'), { schedule: 'ays_sd15' });
  t.match(readStepping('Euler', 'KL Optimal'), { schedule: 'kl_optimal' });
});

t.test('no schedule, and the automatic one', async (t) => {
  for (const [label, plain, automatic] of [
    ['Euler a', 'discrete', 'discrete'],
    ['DPM++ 2M', 'discrete', 'karras'],
    ['DPM++ 2M SDE', 'discrete', 'exponential'],
    ['DPM2 a', 'discrete', 'karras'],
    ['PLMS', 'ddim_uniform', 'ddim_uniform'],
    ['UniPC', 'sgm_uniform', 'sgm_uniform'],
  ]) {
    t.equal(readStepping(label).schedule, plain, label);
    t.equal(readStepping(label, 'Automatic').schedule, automatic, `${label}, Automatic`);
    t.equal(readStepping(label, '', 'automatic').schedule, automatic, `${label}, in the API`);
  }
  t.strictSame(readStepping('DPM++ 2M Karras', 'Automatic'), { sampler: 'dpmpp_2m', schedule: 'karras' });
  t.strictSame(readStepping('DPM++ 2M Karras', 'Exponential'), { sampler: 'dpmpp_2m', schedule: 'exponential' });
});

t.test('what there is not is left out', async (t) => {
  t.strictSame(readStepping('Restart', 'Turbo'), {});
  t.strictSame(readStepping('Restart Karras'), { schedule: 'karras' });
  t.strictSame(readStepping('', 'karras', 'automatic'), { schedule: 'karras' });
  t.strictSame(readStepping('', '', 'automatic'), {});
  t.strictSame(['Karras', 'Automatic', 'Turbo', ''].map(knowsSchedule), [true, true, false, false]);
});
