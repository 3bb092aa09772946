/** Callbacks whose promises nobody keeps: an abort or a disposal ends their request all the same. */
import { getEventListeners } from 'node:events';
import t from 'tap';
import { Pipeline } from '../../lib/index';
import { answered } from '../../lib/pipeline/callback';
import { networkPath } from '../support/safetensors';

const never = () => new Promise<never>(() => {});
const request = { prompt: 'a smiling woman', width: 32, height: 32, steps: 3, seed: 7 } as const;

/** A callback that never answers, and when it was asked. */
function silent() {
  let call = () => {};
  const called = new Promise<void>((resolve) => {
    call = resolve;
  });
  const onStep = () => {
    call();
    return never();
  };
  return { called, onStep };
}

t.test('an answer comes through, and leaves no listeners', async (t) => {
  const [stop, model] = [new AbortController(), new AbortController()];
  const ends = { signal: stop.signal, models: [{ disposal: model.signal }] };
  t.equal(await answered(1, ends), 1);
  t.equal(await answered(Promise.resolve(2), ends), 2);
  await t.rejects(answered(Promise.reject(new Error('mine')), ends), { message: 'mine' });
  for (const { signal } of [stop, model]) t.strictSame(getEventListeners(signal, 'abort'), []);
});

t.test('what ends the request ends the waiting, before it began or after', async (t) => {
  let lose = (_error: Error) => {};
  const late = new Promise<never>((_resolve, reject) => {
    lose = reject;
  });
  const [stop, model] = [new AbortController(), new AbortController()];
  const ends = { signal: stop.signal, models: [{ disposal: model.signal }] };
  const [first, second] = [answered(late, ends), answered(late, { models: ends.models })];
  const reason = new Error('enough');
  stop.abort(reason);
  await t.rejects(first, { code: 'ABORTED', cause: reason });
  model.abort(new Error('gone'));
  await t.rejects(second, { message: 'gone' });
  await t.rejects(answered(late, ends), { code: 'ABORTED' });
  for (const { signal } of [stop, model]) t.strictSame(getEventListeners(signal, 'abort'), []);
  lose(new Error('nobody hears it')); // an unhandled rejection would end the process
  await new Promise(setImmediate);
});

t.test('requests of a pipeline', async (t) => {
  const pipeline = await Pipeline.load(networkPath('avatar.safetensors'), { threads: 1 });
  const draws: Record<string, (options: object) => Promise<unknown>> = {
    txt2img: (options: object) => pipeline.txt2img({ ...request, ...options }),
    steps: (options: object) => pipeline.steps({ ...request, ...options }).next(),
  };
  for (const [name, draw] of Object.entries(draws)) {
    const [stop, { called, onStep }] = [new AbortController(), silent()];
    const drawing = draw({ signal: stop.signal, onStep });
    await called;
    stop.abort();
    await t.rejects(drawing, { code: 'ABORTED' }, `${name}, aborted`);
    t.strictSame(getEventListeners(stop.signal, 'abort'), []);
  }
  const waiting = Object.values(draws).map((draw) => ({ draw, ...silent() }));
  const drawings = waiting.map(({ draw, onStep }) => t.rejects(draw({ onStep }), { code: 'DISPOSED' }));
  await Promise.all(waiting.map(({ called }) => called));
  await pipeline.dispose();
  await Promise.all(drawings);
});

t.test('a refiner that is disposed of', async (t) => {
  const load = () => Pipeline.load(networkPath('avatar.safetensors'), { threads: 1 });
  await using pipeline = await load();
  const refiner = await load();
  const { called, onStep } = silent();
  const drawing = t.rejects(pipeline.txt2img({ ...request, refiner: { pipeline: refiner }, onStep }), {
    code: 'DISPOSED',
  });
  await called;
  await refiner.dispose();
  await drawing;
});

t.test('requests of an unconditional pipeline', async (t) => {
  const pipeline = await Pipeline.unconditional(networkPath('ddpm.safetensors'), { threads: 1 });
  const [stop, { called, onStep }] = [new AbortController(), silent()];
  const drawing = pipeline.generate({ steps: 3, signal: stop.signal, onStep });
  await called;
  stop.abort();
  await t.rejects(drawing, { code: 'ABORTED' });
  const second = silent();
  const stepping = t.rejects(pipeline.steps({ steps: 3, onStep: second.onStep }).next(), { code: 'DISPOSED' });
  await second.called;
  await pipeline.dispose();
  await stepping;
});
