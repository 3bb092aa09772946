/** Loops in slices: the same result, with turns of the event loop between. */
import t from 'tap';
import { atOnce, inSlices } from '../../lib/pipeline/slices';

function* until(isOver: () => boolean): Generator<void, string, void> {
  while (!isOver()) yield;
  return 'done';
}

t.test('what it comes to, and who else has a turn', async (t) => {
  let turns = 0;
  const other = setInterval(() => turns++, 0);
  t.equal(await inSlices(until(() => turns > 2)), 'done');
  const [before, start] = [turns, performance.now()];
  t.equal(atOnce(until(() => performance.now() > start + 20)), 'done');
  t.equal(turns, before);
  clearInterval(other);
  await t.rejects(inSlices(failing()), { message: 'mine' });
  // biome-ignore lint/correctness/useYield: it fails before
  function* failing(): Generator<void, void, void> {
    throw new Error('mine');
  }
});
