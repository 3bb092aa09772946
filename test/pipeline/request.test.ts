/** What a request is refused for, and what it is filled up with. */
import t from 'tap';
import type { ModelInfo } from '../../lib/model/model';
import { parseRequest, type Txt2ImgRequest } from '../../lib/pipeline/request';
import { euler } from '../../lib/sampling/samplers/index';
import { timestepSchedule } from '../../lib/sampling/schedules';

const info = {
  family: 'sd1',
  defaults: '',
  prediction: { type: 'epsilon' },
  vae: { latentChannels: 4, scalingFactor: 0.18215, downscale: 8 },
} as ModelInfo;

t.test('defaults', async (t) => {
  const parsed = parseRequest({ prompt: 'a cat' }, info);
  t.match(parsed, {
    ...{
      prompts: ['a cat'],
      negativePrompts: [''],
      cfgRescale: 0,
      subseedStrength: 0,
      width: 512,
      height: 512,
      steps: 20,
      cfgScale: 7,
      samplerName: 'dpmpp_2m',
      scheduleName: 'karras',
    },
    ...{ rng: 'philox', batchSize: 1, clipSkip: 1, latentShape: [1, 4, 64, 64] },
  });
  t.ok(Number.isInteger(parsed.seed));
  const own = {
    ...info,
    defaults: '{"width":64,"height":64,"steps":25,"cfgScale":4,"sampler":"ddim","schedule":"leading"}',
  };
  t.match(parseRequest({ prompt: '', steps: 3 }, own), { width: 64, steps: 3, cfgScale: 4, samplerName: 'ddim' });
  t.match(parseRequest({ prompt: '', width: undefined }, own), { width: 64 }, 'undefined means the default');
  const sd2 = { ...info, family: 'sd2', prediction: { type: 'v_prediction' } } as ModelInfo;
  t.match(parseRequest({ prompt: '' }, sd2), { width: 768 });
  t.match(parseRequest({ prompt: '', sampler: euler, schedule: [3, 2, 1, 0] }, info), {
    sampler: euler,
    steps: 3,
    scheduleName: 'custom',
  });
});

const refused: [Record<string, unknown>, code: string, message: RegExp][] = [
  [{ prompt: 5 }, 'INVALID_REQUEST', /^prompt: expected a string, got 5$/],
  [{ prompt: undefined }, 'INVALID_REQUEST', /^prompt: expected a string, got undefined$/],
  [{ negativePrompt: null }, 'INVALID_REQUEST', /^negativePrompt: expected a string, got null$/],
  [{ width: 500 }, 'INVALID_REQUEST', /^width: expected a multiple of 8 in 8..16384, got 500$/],
  [{ height: 0 }, 'INVALID_REQUEST', /^height: .* got 0$/],
  [{ height: Number.NaN }, 'INVALID_REQUEST', /^height: .* got NaN$/],
  [{ width: '512' }, 'INVALID_REQUEST', /^width: .* got '512'$/],
  [{ steps: 0 }, 'INVALID_REQUEST', /^steps: expected an integer in 1..1000, got 0$/],
  [{ steps: 2.5 }, 'INVALID_REQUEST', /^steps: .* got 2.5$/],
  [{ cfgScale: Number.NaN }, 'INVALID_REQUEST', /^cfgScale: expected a number in 0..1000, got NaN$/],
  [{ cfgScale: Number.POSITIVE_INFINITY }, 'INVALID_REQUEST', /^cfgScale: .* got Infinity$/],
  [{ seed: -1 }, 'INVALID_REQUEST', /^seed: .* got -1$/],
  [{ seed: 1.5 }, 'INVALID_REQUEST', /^seed: .* got 1.5$/],
  [{ seed: 2n ** 64n }, 'INVALID_REQUEST', /^seed: /],
  [{ rng: 'dice' }, 'INVALID_REQUEST', /^rng: expected one of philox, torch, got 'dice'$/],
  [{ batchSize: 65 }, 'INVALID_REQUEST', /^batchSize: /],
  [{ clipSkip: 0 }, 'INVALID_REQUEST', /^clipSkip: /],
  [{ eta: -1 }, 'INVALID_REQUEST', /^eta: /],
  [
    { latents: new Float32Array(5) },
    'INVALID_REQUEST',
    /^latents: .*1 x 4 x 64 x 64 = 16384 values, got a Float32Array of 5$/,
  ],
  [{ latents: new Float32Array(16384).fill(Number.NaN) }, 'INVALID_REQUEST', /^latents: .*value 0/],
  [{ signal: {} }, 'INVALID_REQUEST', /^signal: expected an AbortSignal, got object$/],
  [{ onStep: 1 }, 'INVALID_REQUEST', /^onStep: expected a function, got 1$/],
  [{ scheduler: 'ddim' }, 'INVALID_REQUEST', /^scheduler: there is no such option/],
  [{ sampler: 'dpm++' }, 'UNKNOWN_SAMPLER', /euler.*got 'dpm\+\+'/],
  [{ schedule: 'ays' }, 'UNKNOWN_SCHEDULE', /karras.*got 'ays'/],
  [{ schedule: [1, 2, 0] }, 'INVALID_REQUEST', /^schedule: /],
];

t.test('clipSkip goes as far as there are layers', async (t) => {
  const encoder = { layers: 4, width: 8, heads: 1, vocabularySize: 9, contextLength: 77 };
  const small = { ...info, textEncoder: encoder, skippedTextLayers: 1 } as ModelInfo;
  t.match(parseRequest({ prompt: '', clipSkip: 3 }, small), { clipSkip: 3 });
  t.throws(() => parseRequest({ prompt: '', clipSkip: 4 }, small), {
    code: 'INVALID_REQUEST',
    message: 'clipSkip: expected an integer in 1..3, got 4',
  });
});

t.test('schedules with steps of their own', async (t) => {
  const own = timestepSchedule([999, 500, 1]);
  t.match(parseRequest({ prompt: '', schedule: own, steps: 20 }, info), { steps: 3 });
  t.match(parseRequest({ prompt: '', schedule: Float32Array.of(3, 1, 0) }, info), { steps: 2, scheduleName: 'custom' });
});

t.test('what is refused, with the name, what was expected and what came', async (t) => {
  for (const [options, code, message] of refused) {
    const request = { prompt: 'a cat', ...options } as unknown as Txt2ImgRequest;
    t.throws(() => parseRequest(request, info), { code, message }, `${Object.keys(options)[0]} ${code}`);
  }
  t.throws(() => parseRequest(null as unknown as Txt2ImgRequest, info), { code: 'INVALID_REQUEST' });
});
