import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { formatInfotext, type GenerationFacts, samplerTitles, scheduleTitles } from '../../lib/image/infotext';
import { parseInfotext, parseParameters } from '../../lib/image/parse-infotext';
import type { Txt2ImgRequest } from '../../lib/pipeline/request';

const fixture = (file: string) => join(__dirname, '../fixtures/image', file);
const settings = 'Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768';
const request = {
  ...{
    prompt: 'a lighthouse, (storm:1.2)',
    negativePrompt: 'blurry, text',
    steps: 20,
    sampler: 'dpmpp_2m',
    schedule: 'karras',
  },
  ...{ cfgScale: 7, seed: 42, width: 512, height: 768 },
} as const;

t.test('a text becomes a request', async (t) => {
  const parsed = parseInfotext(`a lighthouse, (storm:1.2)\nNegative prompt: blurry, text\n${settings}`);
  t.strictSame(parsed, { request, unknown: {} });
  const accepted: Txt2ImgRequest = parsed.request;
  t.equal(accepted.prompt, request.prompt);
});

t.test('settings of every kind', async (t) => {
  const more =
    'Clip skip: 2, Denoising strength: 0.75, Eta: 0.5, RNG: CPU, CFG Rescale phi: 0.7, Variation seed: 7, Variation seed strength: 0.25, ' +
    'Model hash: abc, Model: v1-5, ENSD: 31337, Lora hashes: "a: 1, b: 2", Version: v1.10.1';
  t.strictSame(parseInfotext(`cat\n${settings}, ${more}`), {
    request: {
      ...{ prompt: 'cat', steps: 20, cfgScale: 7, seed: 42, width: 512, height: 768, clipSkip: 2, strength: 0.75 },
      ...{
        eta: 0.5,
        rng: 'torch',
        cfgRescale: 0.7,
        subseed: 7,
        subseedStrength: 0.25,
        sampler: 'dpmpp_2m',
        schedule: 'karras',
      },
    },
    unknown: { 'Model hash': 'abc', Model: 'v1-5', ENSD: '31337', 'Lora hashes': 'a: 1, b: 2', Version: 'v1.10.1' },
  });
  t.equal(parseInfotext(`${settings}, Eta DDIM: 1`).request.eta, 1);
  t.equal(parseInfotext(`${settings}, RNG: GPU`).request.rng, 'philox');
  t.equal(parseInfotext(formatInfotext({ ...request, strength: 1e-7 })).request.strength, 1e-7);
});

t.test('perturbed attention', async (t) => {
  const read = (more: string) => {
    const { request, unknown } = parseInfotext(`${settings}, ${more}`);
    return [request.pagScale, request.pagLayers, request.pagMethod, unknown];
  };
  t.strictSame(read('PAG Active: True, PAG Scale: 3.5'), [3.5, undefined, undefined, {}], "A1111's extension");
  t.strictSame(
    read('PAG scale: 2, PAG adaptive: 0.5'),
    [2, undefined, undefined, { 'PAG adaptive': '0.5' }],
    'SD.Next',
  );
  t.strictSame(read('PAG Scale: 1, PAG Layers: mid up.1, PAG Method: skip'), [1, ['mid', 'up.1'], 'skip', {}]);
  const odd = { 'PAG Layers': 'all', 'PAG Method': 'blur' };
  t.strictSame(read('PAG Scale: 1, PAG Layers: all, PAG Method: blur'), [1, undefined, undefined, odd]);
});

t.test('a second pass', async (t) => {
  const read = (more: string) => {
    const { request, unknown } = parseInfotext(`${settings}, ${more}`);
    return [request.strength, request.hires, unknown];
  };
  const second = 'Denoising strength: 0.4, Hires upscale: 1.5';
  t.strictSame(read(second), [undefined, { scale: 1.5, strength: 0.4 }, {}]);
  const [latents, pixels] = ['Latent', 'Lanczos'].map((name) =>
    read(`${second}, Hires upscaler: ${name}, Hires steps: 9`),
  );
  t.strictSame(latents, [undefined, { scale: 1.5, upscaler: 'latents', strength: 0.4, steps: 9 }, {}]);
  t.strictSame(pixels, [undefined, { scale: 1.5, upscaler: 'pixels', strength: 0.4, steps: 9 }, {}]);
  const other = { 'Hires upscaler': 'ESRGAN_4x' };
  t.strictSame(read(`${second}, Hires upscaler: ESRGAN_4x`), [undefined, { scale: 1.5, strength: 0.4 }, other]);
  const resized = { 'Hires resize': '1x1', 'Denoising strength': '0.4' };
  t.strictSame(read('Denoising strength: 0.4, Hires resize: 1x1'), [undefined, undefined, resized]);
});

t.test('samplers and schedules of all versions', async (t) => {
  const read = (stepping: string) => {
    const { request, unknown } = parseInfotext(`a cat\nSteps: 30, ${stepping}, CFG scale: 5.5, Seed: 1`);
    return [request.sampler, request.schedule, unknown];
  };
  t.strictSame(read('Sampler: DPM++ 2M Karras'), ['dpmpp_2m', 'karras', {}]);
  t.strictSame(read('Sampler: DPM++ 2M SDE Exponential'), ['dpmpp_2m_sde', 'exponential', {}]);
  t.strictSame(read('Sampler: Euler a'), ['euler_a', 'discrete', {}], 'before 1.9 no schedule is the plain one');
  t.strictSame(read('Sampler: DDIM'), ['ddim', 'ddim_uniform', {}], 'or the sampler’s own');
  t.strictSame(read('Sampler: Euler, Schedule type: Normal'), ['euler', 'discrete', {}]);
  t.strictSame(read('Sampler: DPM++ 2M, Schedule type: Automatic'), ['dpmpp_2m', 'karras', {}]);
  t.strictSame(read('Sampler: DPM++ 2M SDE Heun, Schedule type: Karras'), [
    undefined,
    'karras',
    { Sampler: 'DPM++ 2M SDE Heun' },
  ]);
  t.strictSame(read('Sampler: Euler, Schedule type: Turbo'), ['euler', undefined, { 'Schedule type': 'Turbo' }]);
  t.strictSame(read('Sampler: mine, Schedule type: custom'), [
    undefined,
    undefined,
    { Sampler: 'mine', 'Schedule type': 'custom' },
  ]);
});

t.test('from files: their bytes or their path', async (t) => {
  for (const file of ['parameters-utf8.png', 'comment-a1111.jpg', 'comment-pillow.webp']) {
    const expected = { prompt: 'a cat 猫 😀', steps: 20, sampler: 'euler_a', schedule: 'discrete', seed: 1 };
    t.match(parseInfotext(fixture(file)), { request: expected, unknown: {} }, file);
    t.match(parseInfotext(readFileSync(fixture(file))), { request: expected, unknown: {} }, file);
  }
  for (const file of ['rgb.png', 'turned-3.jpg']) {
    t.throws(() => parseInfotext(fixture(file)), {
      name: 'DiffusionError',
      code: 'INVALID_IMAGE',
      message: /found none$/,
    });
  }
  t.throws(() => parseInfotext(Buffer.from('x')), {
    code: 'INVALID_IMAGE',
    message: /^the file: expected a PNG, JPEG or WebP/,
  });
  t.throws(() => parseInfotext('missing.png'), {
    name: 'DiffusionError',
    code: 'FILE_NOT_FOUND',
    message: /^missing\.png/,
  });
  t.throws(() => parseInfotext(7 as unknown as string), { code: 'INVALID_ARGUMENT', message: /got number$/ });
  t.strictSame(parseParameters('missing.png'), { request: { prompt: 'missing.png' }, unknown: {} }, 'never a path');
});

t.test('seeds of 64 bits come back as they were', async (t) => {
  for (const seed of [0, 2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n]) {
    t.equal(parseInfotext(formatInfotext({ ...request, seed })).request.seed, seed);
  }
});

t.test('prompts of several lines, or none', async (t) => {
  for (const prompt of ['', 'one\ntwo\n\nthree', 'Steps: 20, of a: ladder', 'a "quoted" prompt:']) {
    for (const negativePrompt of ['bad', 'bad\nworse', 'bad\nNegative prompt: worse']) {
      const facts = { ...request, prompt, negativePrompt };
      t.strictSame(parseInfotext(formatInfotext(facts)).request, facts);
    }
    const { negativePrompt: _, ...rest } = request;
    t.strictSame(parseInfotext(formatInfotext({ ...rest, prompt })).request, { ...rest, prompt });
  }
});

t.test('any text can be read', async (t) => {
  const only = (prompt: string) => ({ request: { prompt }, unknown: {} });
  t.strictSame(parseInfotext(''), only(''));
  t.strictSame(parseInfotext('just a prompt'), only('just a prompt'));
  t.strictSame(parseInfotext('Seed: 1, Size: 2x2'), only('Seed: 1, Size: 2x2'), 'two settings are no settings');
  t.strictSame(parseInfotext('Steps: many, Seed: 18446744073709551616, Size: huge, __proto__: 1, constructor: 2'), {
    request: { prompt: '' },
    unknown: JSON.parse(
      '{"Steps":"many","Seed":"18446744073709551616","Size":"huge","__proto__":"1","constructor":"2"}',
    ),
  });
  t.strictSame(parseInfotext('cat\r\nNegative prompt: dog\r\nSteps: 1, Tiling, Seed: 2, Sampler: "Euler'), {
    request: { prompt: 'cat', negativePrompt: 'dog', steps: 1, seed: 2 },
    unknown: { Sampler: '"Euler' },
  });
});

const piece = fc.constantFrom(
  ...['Steps: ', 'Seed: ', 'Size: ', 'Sampler: ', 'Negative prompt:', 'Schedule type: ', 'Hires upscale: ', 'RNG: '],
  ...[
    '"',
    '\\',
    '\\"',
    ',',
    ', ',
    ':',
    ': ',
    '\n',
    '\r',
    '\0',
    ' ',
    'x',
    '7',
    '-1',
    '1e9',
    '512x512',
    'Karras',
    'DPM++ 2M',
    '猫',
    '\ud83d',
  ],
);
const hostile = fc.oneof(
  fc.array(piece, { maxLength: 60 }).map((list) => list.join('')),
  fc.string({ unit: 'binary' }),
);

t.test('no text makes it throw, and nothing that is understood is of another type', async (t) => {
  const property = () =>
    fc.assert(
      fc.property(hostile, (text) => {
        const { request, unknown } = parseParameters(text);
        if (typeof request.prompt !== 'string') return false;
        if (request.sampler !== undefined && !samplerTitles.has(request.sampler)) return false;
        if (request.schedule !== undefined && !scheduleTitles.has(request.schedule)) return false;
        const numbers = [request.steps, request.cfgScale, request.clipSkip, request.width, request.height, request.eta];
        return (
          numbers.every((n) => n === undefined || Number.isFinite(n)) &&
          Object.values(unknown).every((v) => typeof v === 'string')
        );
      }),
      { numRuns: 3000 },
    );
  t.doesNotThrow(property);
});

t.test('what is written comes back, whatever the settings say', async (t) => {
  const value = fc.oneof(hostile, fc.string()).map((text) => text.replaceAll('\0', ''));
  const label = fc.constantFrom('Model', 'Version', 'Lora hashes', 'Extra');
  const prompt = fc.stringMatching(/^[a-z(),.:|"\\[\]猫é]{0,30}$/);
  fc.assert(
    fc.property(prompt, fc.dictionary(label, value), fc.maxSafeNat(), (prompt, other, seed) => {
      const facts: GenerationFacts = { ...request, prompt, seed, other };
      t.strictSame(parseParameters(formatInfotext(facts)), {
        request: { ...request, prompt, seed },
        unknown: { ...other },
      });
    }),
    { numRuns: 300 },
  );
});

t.test('time grows with the text’s length and no faster', async (t) => {
  const seconds = (text: string) => {
    const start = performance.now();
    parseParameters(text);
    return (performance.now() - start) / 1000;
  };
  for (const piece of [
    'a:"',
    'a:"\\',
    'a:"b",',
    'a: "b"x,',
    ' ',
    ':',
    ',',
    '\n',
    'a:\\",',
    'Negative prompt:',
    '"',
    '\\"',
    'a:" ',
    'a:"b" ',
  ]) {
    const text = piece.repeat(1e6 / piece.length);
    t.ok(seconds(text) < 5, `a million characters of ${JSON.stringify(piece)}`); // quadratic would be minutes
  }
});
