import t from 'tap';
import { longestHistory, pseudoLinearStep } from '../../../lib/sampling/samplers/adams-bashforth';

t.test('even steps are exact for polynomials of one degree less than the noises that it has', async (t) => {
  for (let count = 1; count <= longestHistory; count++) {
    for (let degree = 0; degree < count; degree++) {
      // The slope sigma^degree at 10, 11, 12 ... stepping from 10 to 9.
      const noises = Array.from({ length: count }, (_, j) => Float32Array.of((10 + j) ** degree));
      const [x] = pseudoLinearStep(Float32Array.of(2), noises, 10, 9);
      const expected = 2 + (9 ** (degree + 1) - 10 ** (degree + 1)) / (degree + 1);
      t.ok(Math.abs(x / expected - 1) < 1e-6, `${count} noises, degree ${degree}`);
    }
  }
});
