import t from 'tap';
import {
  formatInfotext,
  type GenerationFacts,
  type SamplerName,
  type ScheduleName,
  samplerTitles,
  scheduleTitles,
} from '../../lib/image/infotext';
import { parseInfotext } from '../../lib/image/parse-infotext';
import { samplers } from '../../lib/sampling/samplers/index';
import { schedules } from '../../lib/sampling/schedules';

const facts: GenerationFacts = {
  prompt: 'a lighthouse, (storm:1.2)',
  negativePrompt: 'blurry, text',
  steps: 20,
  sampler: 'dpmpp_2m',
  schedule: 'karras',
  cfgScale: 7,
  seed: 42,
  width: 512,
  height: 768,
};

const text = `a lighthouse, (storm:1.2)
Negative prompt: blurry, text
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768`;

t.test('writes the web UI’s text', async (t) => {
  t.equal(formatInfotext(facts), text);
  const { cfgScale: _, ...unguided } = facts;
  t.equal(formatInfotext(unguided), text.replace(' CFG scale: 7,', ''), 'no guidance, no scale');
});

t.test('optional facts', async (t) => {
  const all = {
    ...{ ...facts, strength: 0.75, clipSkip: 2, model: 'v1-5', modelHash: 'abc123', version: 'nd 0.1.0' },
    ...({ rng: 'torch', eta: 0.5, subseed: 7, subseedStrength: 0.25 } as const),
  };
  t.equal(
    formatInfotext({ ...all, other: { Tiling: 'True' } }),
    `${text}, Model hash: abc123, Model: v1-5, Denoising strength: 0.75, Clip skip: 2, Variation seed: 7, Variation seed strength: 0.25, ` +
      'Eta: 0.5, RNG: CPU, Tiling: True, Version: nd 0.1.0',
  );
  t.equal(formatInfotext({ ...facts, clipSkip: 1 }), text, 'a clipSkip of 1 is none');
  t.equal(formatInfotext({ ...facts, subseed: 7, subseedStrength: 0 }), text, 'a share of 0 is none');
  t.match(formatInfotext({ ...facts, sampler: 'ddim', eta: 1, rng: 'philox' }), /Eta DDIM: 1$/);
});

t.test('every sampler and schedule has one title, and comes back', async (t) => {
  t.equal(new Set(samplerTitles.values()).size, samplerTitles.size);
  t.equal(new Set(scheduleTitles.values()).size, scheduleTitles.size);
  for (const sampler of samplerTitles.keys() as MapIterator<SamplerName>) {
    for (const schedule of scheduleTitles.keys() as MapIterator<ScheduleName>) {
      t.match(parseInfotext(formatInfotext({ ...facts, sampler, schedule })), {
        request: { sampler, schedule },
        unknown: {},
      });
    }
  }
});

t.test('the tables have every sampler and schedule, and no name that does not exist', async (t) => {
  t.strictSame([...samplerTitles.keys()].sort(), Object.keys(samplers).sort());
  t.strictSame([...scheduleTitles.keys()].sort(), Object.keys(schedules).sort());
});

t.test('what a reader could not find the end of is quoted', async (t) => {
  t.match(formatInfotext({ ...facts, model: 'a: b, c' }), /, Model: "a: b, c"$/);
  t.match(formatInfotext({ ...facts, model: 'a-b_c.1' }), /, Model: a-b_c\.1$/);
  t.equal(formatInfotext({ ...facts, prompt: 'a\0b' }).split('\n')[0], 'a\ufffdb');
});
