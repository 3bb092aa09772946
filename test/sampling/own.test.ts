/** Samplers of one's own that break the contract: each is refused by name, and ours keep it. */
import t from 'tap';
import { heldSteps, kindOf } from '../../lib/sampling/own';
import { samplers } from '../../lib/sampling/samplers/index';
import type { Denoise, DenoisePair, Sampler } from '../../lib/sampling/types';
import { model } from './samplers/harness';

const sigmas = [8, 4, 2, 0];
const x = Float32Array.of(1, 2, 3);
const evaluate = async (at: Float32Array) => ({ denoised: at.map((v) => v / 2), unconditional: at });
const options = { noise: () => new Float32Array(3), noiseModel: model };

async function take(sampler: unknown, most = 99): Promise<number> {
  let taken = 0;
  for await (const _ of heldSteps(sampler as Sampler, evaluate, x, sigmas, options)) if (++taken > most) break;
  return taken;
}

/** A sampler of three steps that gives something else for a step. */
const giving = (step: unknown) =>
  async function* () {
    for (let i = 0; i < 3; i++) yield step;
  };

/** A sampler that asks something of the denoiser. */
const asking = (ask: (denoise: Denoise, pair: DenoisePair) => Promise<unknown>) =>
  async function* (denoise: Denoise, _x: Float32Array, _sigmas: readonly number[], at: { denoisePair: DenoisePair }) {
    await ask(denoise, at.denoisePair);
    yield* giving({ x, denoised: x })();
  };

t.test('our own samplers keep the contract', async (t) => {
  for (const [name, sampler] of Object.entries(samplers)) t.equal(await take(sampler), 3, name);
});

t.test('what is refused', async (t) => {
  const cases: Record<string, [sampler: unknown, message: string]> = {
    'no generator': [() => 5, 'an async generator function, got one that gives 5'],
    'an async function': [
      async () => Promise.reject(new Error('unheard')),
      'an async generator function, got one that gives a promise',
    ],
    'a list': [() => [], 'an async generator function, got one that gives an array of 0'],
    'a generator that is not async': [
      function* () {
        yield { x, denoised: x };
      },
      'an async generator function, got one that gives an iterable that is not async',
    ],
    'no step': [async function* () {}, 'it to yield as many steps as there are sigmas, less one: 3, got 0'],
    'too few': [
      async function* () {
        yield { x, denoised: x };
      },
      'it to yield as many steps as there are sigmas, less one: 3, got 1',
    ],
    'too many, without an end': [
      async function* () {
        for (;;) yield { x, denoised: x };
      },
      'it to yield as many steps as there are sigmas, less one: 3, got more',
    ],
    'a step of nothing': [giving(undefined), 'it to yield { x, denoised } at step 1, got undefined'],
    'a step of x alone': [giving(x), 'it to yield x as a Float32Array of 3 at step 1, got undefined'],
    'no denoised': [giving({ x }), 'it to yield denoised as a Float32Array of 3 at step 1, got undefined'],
    'a promise': [
      giving({ x, denoised: evaluate(x) }),
      'it to yield denoised as a Float32Array of 3 at step 1, got a promise',
    ],
    'a plain list': [
      giving({ x: [...x], denoised: x }),
      'it to yield x as a Float32Array of 3 at step 1, got an array of 3',
    ],
    doubles: [
      giving({ x: new Float64Array(3), denoised: x }),
      'it to yield x as a Float32Array of 3 at step 1, got a Float64Array of 3',
    ],
    'another length': [
      giving({ x: new Float32Array(2), denoised: x }),
      'it to yield x as a Float32Array of 3 at step 1, got a Float32Array of 2',
    ],
    'sigma 0': [asking((denoise) => denoise(x, 0)), 'denoise to be given a finite sigma above 0, got 0'],
    'no sigma': [
      asking((denoise) => denoise(x, undefined as never)),
      'denoise to be given a finite sigma above 0, got undefined',
    ],
    'no number': [asking((_, pair) => pair(x, Number.NaN)), 'denoise to be given a finite sigma above 0, got NaN'],
    'a list to denoise': [
      asking((denoise) => denoise([...x] as never, 1)),
      'denoise to be given a Float32Array of 3, got an array of 3',
    ],
    'another length to denoise': [
      asking((_, pair) => pair(x.subarray(1), 1)),
      'denoise to be given a Float32Array of 3, got a Float32Array of 2',
    ],
  };
  for (const [name, [sampler, message]] of Object.entries(cases)) {
    await t.rejects(take(sampler), { code: 'INVALID_REQUEST', message: `sampler: expected ${message}` }, name);
  }
});

t.test('a sampler is left where its steps are', async (t) => {
  let isLeft = false;
  const endless: Sampler = async function* () {
    try {
      for (;;) yield { x, denoised: x };
    } finally {
      isLeft = true;
    }
  };
  t.equal(await take(endless, 0), 1);
  t.ok(isLeft, 'when its steps are no longer wanted');
  isLeft = false;
  await t.rejects(take(endless), { code: 'INVALID_REQUEST' });
  t.ok(isLeft, 'and when it yields too many');
});

t.test('what a sampler throws comes out as it is; what it does not wait for ends nothing', async (t) => {
  const mine = new TypeError('mine');
  await t.rejects(take(asking(() => Promise.reject(mine))), mine);
  t.equal(await take(asking(async (denoise) => void denoise(x, 0))), 3);
  await new Promise(setImmediate); // an unhandled rejection would have ended the process
});

t.test('kinds', async (t) => {
  t.equal(
    kindOf(() => 1),
    'a function',
  );
  t.equal(kindOf(null), 'null');
  t.equal(kindOf({}), 'an object');
  t.equal(kindOf('x'.repeat(200)).length, 80);
});
