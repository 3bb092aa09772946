/** An engine in a process of its own: the same bytes, and whatever becomes of that process, this one lives. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { embeddedDdpmPath, Image, Model, Pipeline } from '../../../lib/index';
import { sameBytes } from '../../support/compare';
import { ended, isRunning, killWhenBegun, watchEngineProcesses } from '../../support/engine-processes';
import { networkPath } from '../../support/safetensors';

const file = networkPath('avatar.safetensors');
const isolated = { threads: 1, isolate: true } as const;
const request = { prompt: 'a smiling woman with red hair', width: 32, height: 32, steps: 4, seed: 7, cfgScale: 4 };
/** Its steps take long enough to be met inside. */
const large = { width: 256, height: 256, steps: 200 };
const processes = watchEngineProcesses();
const latest = () => processes.at(-1) as ChildProcess;

t.test('bytes are those of an engine in this process', async (t) => {
  await using here = await Pipeline.load(file, { threads: 1 });
  await using there = await Pipeline.load(file, isolated);
  t.strictSame(there.info, here.info);
  const image = new Image(
    32,
    32,
    new Uint8Array(32 * 32 * 3).map((_, i) => i % 251),
  );
  const [drawn, expected] = [await there.txt2img(request), await here.txt2img(request)];
  t.ok(sameBytes(drawn.images[0].data, expected.images[0].data), 'txt2img');
  const [over, expectedOver] = [await there.img2img({ ...request, image }), await here.img2img({ ...request, image })];
  t.ok(sameBytes(over.images[0].data, expectedOver.images[0].data), 'img2img');
  t.match(await there.model.stats(), { encodeTextSeconds: Number, predictNoiseOperations: { f32: Number } });
  const together = await Promise.all([there.txt2img(request), there.txt2img({ ...request, prompt: 'a sad man' })]);
  t.ok(sameBytes(together[0].images[0].data, expected.images[0].data), 'two requests at once');

  const noise = { steps: 2, seed: 3, width: 32, height: 32 };
  await using ddpm = await Pipeline.unconditional(embeddedDdpmPath, isolated);
  await using ddpmHere = await Pipeline.unconditional(embeddedDdpmPath, { threads: 1 });
  const pictures = [await ddpm.generate(noise), await ddpmHere.generate(noise)].map(({ images }) => images[0].data);
  t.ok(sameBytes(pictures[0], pictures[1]), 'unconditional');
});

t.test('a process that is killed inside a step fails the request, not the next one', async (t) => {
  await using pipeline = await Pipeline.load(file, isolated);
  const expected = (await pipeline.txt2img(request)).images[0].data;
  const onStep = ({ step }: { step: number }) => {
    if (step === 1) killWhenBegun(latest());
  };
  const lost = pipeline.txt2img({ ...request, ...large, onStep });
  await t.rejects(lost, { name: 'DiffusionError', code: 'ENGINE_CRASHED', message: /SIGKILL/ });
  t.ok(sameBytes((await pipeline.txt2img(request)).images[0].data, expected), 'the next one has a new process');
});

t.test('all calls that are under way are lost', async (t) => {
  await using model = await Model.load(file, isolated);
  const shape = [1, 4, 64, 64] as const;
  const context = await model.createContext(new Float32Array(77 * model.info.textEncoder!.width), 1);
  killWhenBegun(latest(), 2);
  const latents = new Float32Array(4 * 64 * 64);
  const calls = [1, 2].map((timestep) => model.predictNoise(latents, shape, timestep, context));
  for (const call of calls) await t.rejects(call, { code: 'ENGINE_CRASHED' });
});

t.test('a process that is killed while it loads fails the loading', async (t) => {
  const onProgress = () => void latest().kill('SIGKILL');
  await t.rejects(Model.load(file, { ...isolated, onProgress }), { code: 'ENGINE_CRASHED' });
  await ended(latest());
});

t.test('a process that is killed between calls is not missed', async (t) => {
  await using model = await Model.load(file, isolated);
  const embeddings = new Float32Array(77 * model.info.textEncoder!.width).map((_, i) => Math.sin(i));
  const latents = new Float32Array(4 * 8 * 8).map((_, i) => Math.cos(i));
  const context = await model.createContext(embeddings, 1);
  const predict = () => model.predictNoise(latents, [1, 4, 8, 8], 500, context);
  const expected = await predict();
  latest().kill('SIGKILL');
  const begun = processes.length;
  t.ok(sameBytes(await predict(), expected), 'at once: the call had not begun');
  latest().kill('SIGKILL');
  await ended(latest());
  const both = await Promise.all([predict(), predict()]);
  t.ok(
    both.every((answer) => sameBytes(answer, expected)),
    'model and context are made again',
  );
  t.equal(processes.length, begun + 2, 'once for all that need them');
  latest().kill('SIGKILL');
  await ended(latest());
  await t.rejects(predictAborted(), { code: 'ABORTED' }, 'an abort does not wait for the model');
  function predictAborted() {
    const cancel = new AbortController();
    const answer = model.predictNoise(latents, [1, 4, 8, 8], 500, context, cancel.signal);
    cancel.abort();
    return answer;
  }
});

t.test('an abort ends a request inside a step, and the engine goes on', async (t) => {
  await using pipeline = await Pipeline.load(file, isolated);
  const cancel = new AbortController();
  const onStep = ({ step }: { step: number }) => {
    if (step === 2) setImmediate(() => cancel.abort());
  };
  const aborted = pipeline.txt2img({ ...request, steps: 200, signal: cancel.signal, onStep });
  const count = processes.length;
  await t.rejects(aborted, { code: 'ABORTED', name: 'AbortError' });
  await pipeline.txt2img(request);
  t.equal(processes.length, count, 'in the same process');
});

t.test('dispose ends what runs, and the process', async (t) => {
  const pipeline = await Pipeline.load(file, isolated);
  const running = pipeline.txt2img({ ...request, steps: 200, onStep: ({ step }) => void (step === 2 && dispose()) });
  let disposed: Promise<void> | undefined;
  const dispose = () => {
    disposed = pipeline.dispose();
  };
  await t.rejects(running, { code: 'DISPOSED' });
  await disposed;
  t.notOk(isRunning(latest().pid!));
  await t.rejects(pipeline.txt2img(request), { code: 'DISPOSED' });
  await pipeline.dispose();

  const crashed = await Pipeline.load(file, isolated);
  const count = processes.length;
  latest().kill('SIGKILL');
  await ended(latest());
  await crashed.dispose();
  await t.rejects(crashed.txt2img(request), { code: 'DISPOSED' }, 'after a crash as well');
  t.equal(processes.length, count, 'without a new process');
});

t.test("two models are two processes, and one's end is not the other's", async (t) => {
  await using a = await Model.load(file, isolated);
  const first = latest();
  await using b = await Model.load(file, isolated);
  t.not(first.pid, latest().pid);
  const embeddings = new Float32Array(77 * a.info.textEncoder!.width);
  const latents = new Float32Array(4 * 8 * 8);
  const context = await a.createContext(embeddings, 1);
  await t.rejects(
    b.predictNoise(latents, [1, 4, 8, 8], 1, context),
    { code: 'INVALID_ARGUMENT' },
    'nor are its contexts',
  );
  latest().kill('SIGKILL');
  t.equal((await a.predictNoise(latents, [1, 4, 8, 8], 1, context)).length, latents.length);
  context.dispose();
  await t.rejects(
    a.predictNoise(latents, [1, 4, 8, 8], 1, context),
    { code: 'INVALID_ARGUMENT' },
    'a disposed context',
  );
});

t.test('two models in one process', async (t) => {
  const a = await Model.load(file, isolated);
  const engine = latest();
  const b = await Model.load(file, { threads: 1, isolate: a });
  t.equal(latest(), engine, 'which is started once');
  const embeddings = new Float32Array(77 * a.info.textEncoder!.width);
  const context = await b.createContext(embeddings, 1);
  const predict = () => b.predictNoise(new Float32Array(4 * 8 * 8), [1, 4, 8, 8], 1, context);
  const expected = await predict();
  await t.rejects(
    a.predictNoise(new Float32Array(4 * 8 * 8), [1, 4, 8, 8], 1, context),
    { code: 'INVALID_ARGUMENT', message: /^context: / },
    'the engine itself says what belongs together',
  );
  engine.kill('SIGKILL');
  await ended(engine);
  t.ok(sameBytes(await predict(), expected));
  await a.dispose();
  t.ok(sameBytes(await predict(), expected), 'the process lives as long as one of them');
  const last = latest();
  await b.dispose();
  t.notOk(isRunning(last.pid!));
  await using here = await Model.load(file, { threads: 1 });
  await t.rejects(Model.load(file, { isolate: here }), { code: 'INVALID_ARGUMENT', message: /an isolated model/ });
});

t.test('errors keep their codes', async (t) => {
  await t.rejects(Model.load('absent.safetensors', isolated), { name: 'DiffusionError', code: 'FILE_NOT_FOUND' });
  await ended(latest());
  await t.rejects(Model.load(file, { ...isolated, precision: 'q3' }), { code: 'INVALID_ARGUMENT', message: /q8_0/ });
  await t.rejects(Model.load(file, { isolate: 1 as never }), { code: 'INVALID_ARGUMENT', message: /^isolate: / });
  await using model = await Model.load(file, isolated);
  await t.rejects(model.encodeText(new Int32Array(76), 1), { code: 'INVALID_ARGUMENT' });
  await t.rejects(model.predictNoise(new Float32Array(256), [1, 4, 8, 8], 1, {} as never), {
    code: 'INVALID_ARGUMENT',
  });
});

t.test('what nobody holds any more is freed there too', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await using model = await Model.load(file, isolated);
  const orders: string[] = [];
  const { send } = latest();
  latest().send = function (this: ChildProcess, ...args: unknown[]) {
    orders.push((args[0] as { kind: string }).kind);
    return send.apply(this, args as never);
  } as typeof send;
  const embeddings = new Float32Array(77 * model.info.textEncoder!.width);
  for (let i = 0; i < 20; i++) await model.createContext(embeddings, 1);
  for (let i = 0; i < 50 && !orders.includes('release'); i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.ok(orders.includes('release'));
});

t.test('no engine outlives its program, or keeps it alive', async (t) => {
  const program = path.resolve(__dirname, '..', '..', 'support', 'isolated-program.cjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, file, 'idle'], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
  await gone(Number(stdout));

  const working = spawn(process.execPath, [program, file, 'work'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(working.stdout, 'data');
  working.kill('SIGKILL');
  await gone(Number(line));

  async function gone(pid: number) {
    t.ok(pid > 0);
    while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 20)); // tap's own limit ends it
    t.notOk(isRunning(pid));
  }
});
