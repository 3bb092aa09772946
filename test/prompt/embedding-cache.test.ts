import t from 'tap';
import { DiffusionError } from '../../lib/errors';
import { EmbeddingCache, embeddingKey } from '../../lib/prompt/embedding-cache';

/** A promise to settle by hand. */
function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

t.test('a value is made once', async (t) => {
  const cache = new EmbeddingCache<Float32Array>();
  const made = Float32Array.of(1, 2);
  t.equal(await cache.get('a', async () => made), made);
  t.equal(await cache.get('a', () => t.fail('made again') as never), made);
  t.not(await cache.get('b', async () => Float32Array.of(1)), made);
  cache.clear();
  t.equal(cache.size, 0);
});

t.test('concurrent requests share one computation', async (t) => {
  const cache = new EmbeddingCache<object>();
  const work = deferred<object>();
  let calls = 0;
  const make = () => {
    calls++;
    return work.promise;
  };
  const requests = [cache.get('a', make), cache.get('a', make), cache.get('a', make)];
  const value = {};
  work.resolve(value);
  t.ok((await Promise.all(requests)).every((got) => got === value));
  t.equal(calls, 1);
});

t.test('the least recently used goes first', async (t) => {
  const cache = new EmbeddingCache<string>(2);
  const made: string[] = [];
  const get = (key: string) =>
    cache.get(key, async () => {
      made.push(key);
      return key;
    });
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) t.equal(await get(key), key);
  t.strictSame(made, ['a', 'b', 'c', 'b'], 'b was dropped for c, a was not');
  t.equal(cache.size, 2);
});

t.test('a failure is not kept', async (t) => {
  const cache = new EmbeddingCache<number>();
  const error = new Error('no');
  await t.rejects(
    cache.get('a', () => Promise.reject(error)),
    error,
  );
  await t.rejects(
    cache.get('a', () => {
      throw error;
    }),
    error,
    'thrown at once too',
  );
  t.equal(cache.size, 0);
  t.equal(await cache.get('a', async () => 7), 7);
});

t.test("another caller's failure is not one's own", async (t) => {
  const cache = new EmbeddingCache<string>();
  const aborted = deferred<string>();
  const error = new Error('aborted');
  const maker = cache.get('a', () => aborted.promise);
  let second = 0;
  const make = async () => {
    second++;
    return 'second';
  };
  const waiting = [cache.get('a', make), cache.get('a', make)];
  aborted.reject(error);
  await t.rejects(maker, error);
  t.strictSame(await Promise.all(waiting), ['second', 'second']);
  t.equal(second, 1, 'those who waited share the next computation');
});

t.test('a failure that comes late does not remove its successor', async (t) => {
  const cache = new EmbeddingCache<string>();
  const late = deferred<string>();
  const first = cache.get('a', () => late.promise);
  cache.clear();
  t.equal(await cache.get('a', async () => 'new'), 'new');
  late.reject(new Error('late'));
  await t.rejects(first);
  t.equal(cache.size, 1);
});

t.test('capacity is checked', async (t) => {
  for (const capacity of [0, 1.5, Number.NaN]) {
    t.throws(
      () => new EmbeddingCache(capacity),
      new DiffusionError('INVALID_ARGUMENT', `capacity: expected an integer of at least 1, got ${capacity}`),
    );
  }
});

t.test('keys', async (t) => {
  const keys = [
    embeddingKey(Int32Array.of(1, 23), 1),
    embeddingKey(Int32Array.of(12, 3), 1),
    embeddingKey(Int32Array.of(1, 23), 2),
    embeddingKey(Int32Array.of(1, 2, 3), 1),
  ];
  t.equal(new Set(keys).size, 4);
  t.equal(embeddingKey(Int32Array.of(1, 23), 1), keys[0]);
});
