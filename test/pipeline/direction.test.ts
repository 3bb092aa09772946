import t from 'tap';
import { changed, parseDirection, steered } from '../../lib/pipeline/direction';

t.test('one negative prompt serves all prompts', async (t) => {
  const direction = parseDirection({ prompt: ['a', 'b'], negativePrompt: 'c', cfgScale: 7 });
  t.strictSame(direction, {
    ...{ prompts: ['a', 'b'], negativePrompts: ['c', 'c'], cfgScale: 7, cfgRescale: 0 },
    ...{ pagScale: 0, pagLayers: ['mid'], pagMethod: 'identity' },
  });
  t.strictSame(parseDirection({ prompt: 'a', cfgScale: 7 }).negativePrompts, ['']);
  t.strictSame(parseDirection({ prompt: ['a', 'b'], negativePrompt: ['c', 'd'], cfgScale: 7 }).negativePrompts, [
    'c',
    'd',
  ]);
});

t.test('changes leave the rest as it is', async (t) => {
  const before = parseDirection({ prompt: ['a', 'b'], cfgScale: 7, guidanceInterval: [1, 5] });
  t.match(changed(before, { pagScale: 3, pagLayers: ['up.0'] }), { pagScale: 3, pagLayers: ['up.0'], cfgScale: 7 });
  const after = changed(before, { cfgScale: 2 });
  t.strictSame(after, { ...before, cfgScale: 2, steered: true });
  t.strictSame(changed(after, { cfgScale: 7 }), { ...before, steered: true }, 'changed back, it has been another');
  t.strictSame(changed(before, { cfgScale: 7 }), before, 'to what it was');
  t.equal(after.prompts, before.prompts);
  t.strictSame(changed(before, { prompt: ['c', 'd'], cfgRescale: 0.7 }).prompts, ['c', 'd']);
  t.throws(() => changed(before, { prompt: 'c' }), {
    code: 'INVALID_REQUEST',
    message: /^prompt: expected as many as before, 2, got 1$/,
  });
  t.throws(() => changed(before, { steps: 2 } as object), {
    code: 'INVALID_REQUEST',
    message: /^steps: there is no such/,
  });
});

t.test('what a callback answers by chance changes nothing', async (t) => {
  const before = parseDirection({ prompt: 'a', cfgScale: 7 });
  for (const answer of [undefined, null, 3, 'x', true]) t.equal(steered(before, answer), before);
  t.strictSame(steered(before, { cfgScale: 2 }).cfgScale, 2);
  t.throws(() => steered(before, { cfg: 2 }), { code: 'INVALID_REQUEST', message: /^cfg: there is no such option/ });
});

const refused: [Record<string, unknown>, RegExp][] = [
  [{ prompt: [] }, /^prompt: expected a string or a list/],
  [{ prompt: ['a', 5] }, /^prompt\[1\]: expected a string, got 5$/],
  [{ negativePrompt: ['a', 'b'] }, /^negativePrompt: expected one text or one for each of 1 prompts, got 2$/],
  [{ cfgRescale: 2 }, /^cfgRescale: expected a number in 0..1, got 2$/],
  [{ pagScale: -1 }, /^pagScale: expected a number in 0..1000, got -1$/],
  [{ pagLayers: 'mid' }, /^pagLayers: expected a list of one block or more, got 'mid'$/],
  [{ pagLayers: [] }, /^pagLayers: expected a list of one block or more/],
  [{ pagLayers: ['mid', 'middle'] }, /^pagLayers: expected 'mid', 'down.0' \.\.\. or 'up.0' \.\.\., got 'middle'$/],
  [{ pagLayers: ['up.'] }, /^pagLayers: /],
  [{ pagMethod: 'blur' }, /^pagMethod: expected one of identity, skip, got 'blur'$/],
  [{ guidanceInterval: 3 }, /^guidanceInterval: expected two sigmas, \[low, high\], got 3$/],
  [{ guidanceInterval: [1] }, /^guidanceInterval: /],
  [{ guidanceInterval: [5, 1] }, /^guidanceInterval\[1\]: expected a number in 5../],
  [
    { prompt: 'a <hypernet:film:0.8>' },
    /^prompt: expected text without <hypernet:film:0.8>: there are no extra networks of the kind 'hypernet'$/,
  ],
  [
    { prompt: 'a <lora:film:x>' },
    /^prompt: expected text without <lora:film:x>: expected a number as weight, got 'x'$/,
  ],
  [{ negativePrompt: '<lora:film>' }, /^negativePrompt: expected text without <lora:film>/],
];

t.test('what is refused, with the name, what was expected and what came', async (t) => {
  for (const [options, message] of refused) {
    const direction = { prompt: 'a', cfgScale: 7, ...options } as Parameters<typeof parseDirection>[0];
    t.throws(() => parseDirection(direction), { code: 'INVALID_REQUEST', message }, JSON.stringify(options));
  }
});
