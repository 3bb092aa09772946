import t from 'tap';
import { mt19937 } from '../../lib/sampling/mt19937';

t.test('the 10,000th number from seed 5489 is the one that C++ [rand.predef] states', async (t) => {
  const random = mt19937(5489);
  for (let i = 1; i < 10000; i++) random();
  t.equal(random(), 4123659995);
});

t.test('seeds differ', async (t) => {
  t.not(mt19937(0)(), mt19937(1)());
});
