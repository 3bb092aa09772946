/** Medians, spreads and ratios, and how figures are written. */
import t from 'tap';
import { ratioOf, spreadOf } from '../../lib/bench/statistics';
import { bytes, digits, seconds, times } from '../../lib/bench/units';

t.test('the median is the middle, or the mean of the two in the middle', async (t) => {
  t.strictSame(spreadOf([3]), { median: 3, least: 3, most: 3, count: 1 });
  t.strictSame(spreadOf([9, 1, 100]), { median: 9, least: 1, most: 100, count: 3 });
  t.strictSame(spreadOf([10, 2, 4, 1]), { median: 3, least: 1, most: 10, count: 4 });
  const values = [2, 1];
  spreadOf(values);
  t.strictSame(values, [2, 1], 'what it was given stays as it is');
});

t.test('a ratio spreads as far as both of its sides', async (t) => {
  t.strictSame(ratioOf(spreadOf([6, 8, 12]), spreadOf([2, 4, 3])), { median: 8 / 3, least: 6 / 4, most: 12 / 2 });
});

t.test('units', async (t) => {
  t.strictSame([0.0005, 0.0123, 0.9, 1.5, 43.26, 1234.5].map(seconds), [
    ...['0.50 ms', '12.3 ms', '900 ms', '1.50 s', '43.3 s', '1235 s'],
  ]);
  t.strictSame([104 * 2 ** 20, 2.5 * 2 ** 30].map(bytes), ['104 MiB', '2.50 GiB']);
  t.strictSame([digits(0), times(0.5), times(10)], ['0.00', '0.50 x', '10.0 x']);
});
