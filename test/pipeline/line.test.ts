/** Turns: whose is next, and who leaves. */
import t from 'tap';
import { Line, Turns, type Waiting } from '../../lib/pipeline/line';

interface Named extends Waiting {
  name: string;
}

t.test('by priority, then by arrival; some may go along', async (t) => {
  const line = new Line<Named>();
  const join = (name: string, priority?: number) =>
    line.join({ name, priority, reject: (error) => t.fail(String(error)) });
  for (const [name, priority] of [['a'], ['b', 1], ['c', -1], ['d', 1], ['e', 0]] as const) join(name, priority);
  const names = (taken: Named[]) => taken.map(({ name }) => name).join('');
  t.equal(names(line.take()), 'b');
  join('f', 1);
  t.equal(names(line.take((other, first) => (other.priority ?? 0) === (first.priority ?? 0))), 'df');
  t.equal(names(line.take((other) => other.name === 'c')), 'ac');
  t.equal(names(line.take()), 'e');
  t.strictSame(line.take(), []);
});

t.test('whose signal is aborted leaves, and is told', async (t) => {
  const line = new Line<Waiting>();
  const errors: unknown[] = [];
  const reject = (error: unknown) => void errors.push((error as { code: string }).code);
  const cancel = new AbortController();
  line.join({ signal: AbortSignal.abort(), reject });
  line.join({ signal: cancel.signal, reject });
  t.strictSame(errors, ['ABORTED']);
  cancel.abort();
  t.strictSame(errors, ['ABORTED', 'ABORTED']);
  t.strictSame(line.take(), []);
  const taken = new AbortController();
  line.join({ signal: taken.signal, reject });
  t.equal(line.take().length, 1);
  taken.abort();
  t.equal(errors.length, 2, 'who has its turn is told by the work');
});

t.test('work one at a time', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const work = (name: string) => async () => {
    log.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    log.push(`${name} ends`);
    if (name === 'b') throw new Error('mine');
    return name;
  };
  const a = turns.take(work('a'), {});
  const b = turns.take(work('b'), {});
  const c = turns.take(work('c'), { priority: 1 });
  t.equal(await a, 'a');
  await t.rejects(b, { message: 'mine' });
  t.equal(await c, 'c');
  t.strictSame(log, ['c begins', 'c ends', 'a begins', 'a ends', 'b begins', 'b ends']);
});
