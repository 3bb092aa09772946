/** Passes of requests in flight: which are joined, and that nobody is changed or harmed by the company. */
import t from 'tap';
import { DiffusionError, Pipeline, type SamplerName } from '../../lib/index';
import type { Context, Model, PredictOptions } from '../../lib/model/model';
import { type AskedPass, JointPasses } from '../../lib/pipeline/joint-passes';
import { sameBytes } from '../support/compare';
import { networkPath } from '../support/safetensors';

type Asked = Partial<Omit<AskedPass, 'embeddings'>> & { embeddings?: number[] };

/** A model that predicts the latents plus the row's embedding, which is one value. */
function fakePasses(fail: (rows: number) => Error | undefined = () => undefined) {
  const calls: number[][] = [];
  const signals: (AbortSignal | undefined)[] = [];
  let alive = 0;
  const createContext = async (embeddings: Float32Array, rows: number) => {
    alive++;
    const dispose = () => {
      alive--;
      context.rows = 0; // as native ones
    };
    const context = { rows, embeddings: [...embeddings], dispose };
    return context;
  };
  const predictNoise = async (
    x: Float32Array,
    _shape: unknown,
    t: number,
    c: { embeddings: number[] },
    s?: AbortSignal,
    options?: PredictOptions,
  ) => {
    if (options?.perturbed) t = -t;
    calls.push([t, ...c.embeddings]);
    signals.push(s);
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (s?.aborted) throw new DiffusionError('ABORTED', 'aborted');
    const error = fail(c.embeddings.length);
    if (error) throw error;
    return Float32Array.from(c.embeddings.map((value, row) => value + x[x.length === 1 ? 0 : row]));
  };
  const passes = new JointPasses({ createContext, predictNoise } as unknown as Model);
  const ask = async ({ embeddings = [10], ...more }: Asked = {}) => {
    const own = (await createContext(Float32Array.from(embeddings), embeddings.length)) as unknown as Context;
    const pass = { context: own, embeddings: Float32Array.from(embeddings), latents: Float32Array.of(1), timestep: 5 };
    return { own, rows: passes.predict({ ...pass, shape: [1, 1, 1, 1], ...more }).then((rows) => [...rows]) };
  };
  return { passes, ask, calls, signals, alive: () => alive };
}

t.test('those that wait with the same timestep and sizes go together', async (t) => {
  const { ask, calls, passes, alive } = fakePasses();
  const a = await ask({ embeddings: [10, 20] });
  const b = await ask({ embeddings: [30], latents: Float32Array.of(2) });
  const other = await ask({ embeddings: [40], timestep: 6 });
  const c = await ask({ embeddings: [50, 60], latents: Float32Array.of(3, 4) });
  t.strictSame(await a.rows, [11, 21]);
  t.strictSame(await b.rows, [32]);
  t.strictSame(await c.rows, [53, 64]);
  t.strictSame(await other.rows, [46 - 5]);
  t.ok(calls.length < 4, `${calls.length} passes`);
  t.strictSame(calls.at(-1), [6, 40], 'another timestep has a pass of its own');
  for (const { own } of [a, b, other, c]) {
    passes.forget(own);
    own.dispose();
  }
  t.equal(alive(), 0, 'joint contexts go with their members');
});

t.test('perturbed passes go with their like alone', async (t) => {
  const { ask, calls } = fakePasses();
  const options = (...blocks: string[]) => ({ options: { perturbed: { kind: 'identity' as const, blocks } } });
  const asks = [
    await ask({ embeddings: [1], timestep: 9 }), // keeps the others waiting
    await ask({ embeddings: [10], ...options('mid') }),
    await ask({ embeddings: [20] }),
    await ask({ embeddings: [30], latents: Float32Array.of(2), ...options('mid') }),
    await ask({ embeddings: [40], ...options('up.0') }),
  ];
  await Promise.all(asks.map(({ rows }) => rows));
  t.strictSame(calls, [
    [9, 1],
    [-5, 10, 30],
    [5, 20],
    [-5, 40],
  ]);
});

t.test('not all joint contexts are kept', async (t) => {
  const { ask, passes, alive } = fakePasses();
  const owns: Context[] = [];
  for (let i = 0; i < 12; i++) {
    const [a, b] = [await ask({ embeddings: [i] }), await ask({ embeddings: [i + 0.5] })];
    t.strictSame([await a.rows, await b.rows], [[i + 1], [i + 1.5]]);
    owns.push(a.own, b.own);
  }
  t.ok(alive() <= owns.length + 8, `${alive()} contexts, of which ${owns.length} are the requests' own`);
  for (const own of owns) {
    passes.forget(own);
    own.dispose();
  }
  t.equal(alive(), 0);
});

t.test('a joint pass has bounds', async (t) => {
  const { ask, calls } = fakePasses();
  const shape = [4, 1, 64, 64] as const; // half of the bound each
  const latents = new Float32Array(4 * 64 * 64);
  const asks = [await ask({ shape, latents }), await ask({ shape, latents }), await ask({ shape, latents })];
  await Promise.all(asks.map(({ rows }) => rows));
  t.ok(
    calls.every((call) => call.length <= 3),
    'two at most',
  );
  t.ok(calls.length >= 2);
});

t.test("one's abort is not another's", async (t) => {
  const { ask, signals } = fakePasses();
  const cancel = new AbortController();
  const blocker = await ask({ timestep: 1 });
  const [a, b] = [await ask({ signal: cancel.signal }), await ask({ latents: Float32Array.of(2) })];
  await blocker.rows;
  await new Promise((resolve) => setTimeout(resolve, 1));
  cancel.abort();
  await t.rejects(a.rows, { code: 'ABORTED' });
  t.strictSame(await b.rows, [12]);
  const [c, d] = [await ask({ signal: AbortSignal.timeout(1) }), await ask({ signal: AbortSignal.timeout(1) })];
  await Promise.all([t.rejects(c.rows, { code: 'ABORTED' }), t.rejects(d.rows, { code: 'ABORTED' })]);
  t.ok(signals.length >= 2);
  await t.rejects((await ask({ signal: AbortSignal.abort() })).rows, { code: 'ABORTED' });
});

t.test('the highest priority goes first, in passes of its own', async (t) => {
  const { ask, calls } = fakePasses();
  const order: number[] = [];
  const asks = [
    await ask({ embeddings: [1] }),
    await ask({ embeddings: [2], priority: 1 }),
    await ask({ embeddings: [3], priority: 2 }),
    await ask({ embeddings: [4], priority: -1 }),
    await ask({ embeddings: [5], priority: 2 }),
    await ask({ embeddings: [6] }),
  ];
  await Promise.all(asks.map(({ rows }, i) => rows.then(() => order.push(i + 1))));
  t.strictSame(calls, [
    [5, 3, 5],
    [5, 2],
    [5, 1, 6],
    [5, 4],
  ]);
  t.strictSame(order, [3, 5, 2, 1, 6, 4]);
});

t.test('an abort is heard while others have their turn', async (t) => {
  const { ask, calls } = fakePasses();
  const cancel = new AbortController();
  const blocker = await ask({ priority: 1 });
  const waiting = await ask({ signal: cancel.signal });
  let isServed = false;
  blocker.rows.then(() => {
    isServed = true;
  });
  cancel.abort();
  await t.rejects(waiting.rows, { code: 'ABORTED' });
  t.notOk(isServed);
  await blocker.rows;
  t.equal(calls.length, 1);
});

t.test('who is aborted in a joint pass, and gives its context back, takes nothing from the others', async (t) => {
  const { ask, passes, calls } = fakePasses();
  const cancel = new AbortController();
  const a = await ask({ embeddings: [10, 20], signal: cancel.signal });
  const b = await ask({ embeddings: [30, 40], latents: Float32Array.of(2) });
  while (calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(calls, [[5, 10, 20, 30, 40]]);
  cancel.abort();
  await t.rejects(a.rows, { code: 'ABORTED' });
  passes.forget(a.own);
  a.own.dispose();
  t.strictSame(await b.rows, [32, 42]);
});

t.test('what cannot be done together is done one by one', async (t) => {
  const scarce = fakePasses((rows) => (rows > 1 ? new DiffusionError('OUT_OF_MEMORY', 'too large') : undefined));
  const [a, b] = [await scarce.ask(), await scarce.ask({ latents: Float32Array.of(2) })];
  t.strictSame([await a.rows, await b.rows], [[11], [12]]);
  const broken = fakePasses(() => new DiffusionError('DISPOSED', 'gone'));
  const [c, d] = [await broken.ask(), await broken.ask()];
  await Promise.all([t.rejects(c.rows, { code: 'DISPOSED' }), t.rejects(d.rows, { code: 'DISPOSED' })]);
});

t.test('what took the engine down is not tried again', async (t) => {
  const { ask, calls } = fakePasses(() => new DiffusionError('ENGINE_CRASHED', 'killed'));
  const [a, b] = [await ask(), await ask({ latents: Float32Array.of(2) })];
  await Promise.all([t.rejects(a.rows, { code: 'ENGINE_CRASHED' }), t.rejects(b.rows, { code: 'ENGINE_CRASHED' })]);
  t.equal(calls.length, 1);
});

t.test('requests at once have the bytes that they have alone, in fewer passes', async (t) => {
  const request = { width: 32, height: 32, steps: 6, seed: 7, cfgScale: 4 } as const;
  for (const precision of ['auto', 'f32', 'q8_0']) {
    await using pipeline = await Pipeline.load(networkPath('avatar.safetensors'), { threads: 1, precision });
    let passes = 0;
    const { model } = pipeline;
    const predictNoise = model.predictNoise.bind(model);
    model.predictNoise = (...args) => {
      passes++;
      return predictNoise(...args);
    };
    const asks = [
      { ...request, prompt: 'a smiling woman' },
      { ...request, prompt: 'a [sad|happy] man', negativePrompt: 'a hat', sampler: 'dpmpp_2m' as SamplerName },
      { ...request, prompt: 'a red hat AND a cat', cfgRescale: 0.5 },
      { ...request, prompt: 'a cat', steps: 4 },
      { ...request, prompt: 'a smiling woman', pagScale: 3 },
      { ...request, prompt: 'a cat', pagScale: 2, cfgScale: 1 },
    ];
    const alone: Uint8Array[] = [];
    for (const ask of asks) alone.push((await pipeline.txt2img(ask)).images[0].data);
    const separate = passes;
    passes = 0;
    const together = await Promise.all(asks.map((ask) => pipeline.txt2img(ask)));
    t.ok(
      together.every(({ images }, i) => sameBytes(images[0].data, alone[i])),
      precision,
    );
    t.ok(passes < separate, `${passes} passes in place of ${separate}`);
  }
});
