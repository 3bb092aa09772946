import t from 'tap';
import {
  formatInfotext,
  type GenerationFacts,
  parseInfotext,
  samplerTitles,
  scheduleTitles,
} from '../../lib/image/infotext';
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

t.test('writes and reads the web UI’s text', async (t) => {
  t.equal(formatInfotext(facts), text);
  t.strictSame(parseInfotext(text), facts);
});

t.test('optional facts', async (t) => {
  const all = {
    ...facts,
    strength: 0.75,
    clipSkip: 2,
    model: 'v1-5',
    modelHash: 'abc123',
    version: 'nd 0.1.0',
  };
  t.equal(
    formatInfotext({ ...all, other: { RNG: 'CPU' } }),
    `${text}, Model hash: abc123, Model: v1-5, Denoising strength: 0.75, Clip skip: 2, RNG: CPU, Version: nd 0.1.0`,
  );
  t.strictSame(parseInfotext(formatInfotext(all)), all);
  t.equal(formatInfotext({ ...facts, clipSkip: 1 }), text, 'a clipSkip of 1 is none');
  t.equal(parseInfotext(formatInfotext({ ...facts, strength: 1e-7 })).strength, 1e-7);
});

t.test('every sampler and schedule has one title, and comes back', async (t) => {
  t.equal(new Set(samplerTitles.values()).size, samplerTitles.size);
  t.equal(new Set(scheduleTitles.values()).size, scheduleTitles.size);
  for (const sampler of [...samplerTitles.keys(), 'a_new_one']) {
    for (const schedule of [...scheduleTitles.keys(), 'a new, odd one', undefined]) {
      const { schedule: _, ...rest } = facts;
      const written = { ...rest, sampler, ...(schedule && { schedule }) };
      t.strictSame(parseInfotext(formatInfotext(written)), written);
    }
  }
});

t.test('the tables have every sampler, and no name that does not exist', async (t) => {
  t.strictSame([...samplerTitles.keys()].sort(), Object.keys(samplers).sort());
  for (const name of scheduleTitles.keys()) t.ok(name in schedules, name);
});

t.test('older texts name the schedule within the sampler', async (t) => {
  const read = (sampler: string) => parseInfotext(`a cat\nSteps: 30, Sampler: ${sampler}, CFG scale: 5.5, Seed: 1`);
  t.match(read('DPM++ 2M Karras'), { sampler: 'dpmpp_2m', schedule: 'karras', cfgScale: 5.5 });
  t.match(read('DPM++ 2M SDE Exponential'), { sampler: 'DPM++ 2M SDE', schedule: 'Exponential' });
  t.strictSame(read('Euler a'), { prompt: 'a cat', steps: 30, sampler: 'euler_a', cfgScale: 5.5, seed: 1 });
  t.match(read('Euler, Schedule type: Normal'), { sampler: 'euler', schedule: 'discrete' });
  t.match(read('Euler, Schedule type: Automatic'), { sampler: 'euler', schedule: 'Automatic' });
});

t.test('seeds of 64 bits come back as they were', async (t) => {
  for (const seed of [0, 2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n]) {
    t.equal(parseInfotext(formatInfotext({ ...facts, seed })).seed, seed);
  }
});

t.test('values with commas, colons, quotes and newlines come back', async (t) => {
  for (const value of [
    'a, b',
    'a: b',
    '"',
    '"a"',
    '\\',
    'a"b, c\\',
    'x\ny',
    ' padded ',
    '',
    'detail: 1a, style: "2b"',
    '猫:😀',
  ]) {
    const other = { 'Lora hashes': value, RNG: 'CPU' };
    t.strictSame(parseInfotext(formatInfotext({ ...facts, model: value, other })), { ...facts, model: value, other });
  }
  t.match(formatInfotext({ ...facts, model: 'a: b, c' }), /, Model: "a: b, c"$/);
  t.match(formatInfotext({ ...facts, model: 'a-b_c.1' }), /, Model: a-b_c\.1$/);
});

t.test('prompts of several lines, or none', async (t) => {
  for (const prompt of ['', 'one\ntwo\n\nthree', 'Steps: 20, of a: ladder', 'a "quoted" prompt:']) {
    for (const negativePrompt of ['bad', 'bad\nworse', 'bad\nNegative prompt: worse']) {
      t.strictSame(parseInfotext(formatInfotext({ ...facts, prompt, negativePrompt })), {
        ...facts,
        prompt,
        negativePrompt,
      });
    }
    const { negativePrompt: _, ...rest } = facts;
    t.strictSame(parseInfotext(formatInfotext({ ...rest, prompt })), { ...rest, prompt });
  }
});

t.test('any text can be read', async (t) => {
  t.strictSame(parseInfotext(''), { prompt: '' });
  t.strictSame(parseInfotext('just a prompt'), { prompt: 'just a prompt' });
  t.strictSame(parseInfotext('Seed: 1, Size: 2x2'), { prompt: 'Seed: 1, Size: 2x2' }, 'two settings are no settings');
  t.strictSame(parseInfotext('Steps: many, Seed: 18446744073709551616, Size: huge, __proto__: 1, constructor: 2'), {
    prompt: '',
    other: JSON.parse('{"Steps":"many","Seed":"18446744073709551616","Size":"huge","__proto__":"1","constructor":"2"}'),
  });
  t.match(parseInfotext('cat\r\nNegative prompt: dog\r\nSteps: 1, Tiling, Seed: 2, Sampler: "Euler'), {
    prompt: 'cat',
    negativePrompt: 'dog',
    steps: 1,
    seed: 2,
    sampler: '"Euler',
  });
  t.equal(formatInfotext({ ...facts, prompt: 'a\0b' }).split('\n')[0], 'a\ufffdb');
});
