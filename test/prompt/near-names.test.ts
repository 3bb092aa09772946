import t from 'tap';
import { nearNames } from '../../lib/prompt/near-names';

t.test('the nearest three, by edits', async (t) => {
  const names = ['film', 'films', 'filmGrain', 'ink', 'paper', 'flim'];
  t.strictSame(nearNames('filn', names), ['film', 'films']);
  t.strictSame(nearNames('FILM', names), ['film', 'films', 'flim']);
  t.strictSame(nearNames('grain', names), ['filmGrain'], 'a part of a name');
  t.strictSame(nearNames('zzzzzzzz', names), []);
  t.strictSame(nearNames('x', []), []);
  t.strictSame(nearNames('filn', names, 1), ['film'], 'within one edit');
});
