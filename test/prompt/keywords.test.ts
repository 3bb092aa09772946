import t from 'tap';
import { splitAtKeyword } from '../../lib/prompt/keywords';

t.test('a keyword is a whole word in capitals', async (t) => {
  t.strictSame(splitAtKeyword('a AND b', 'AND'), ['a ', ' b']);
  t.strictSame(splitAtKeyword('AND', 'AND'), ['', '']);
  t.strictSame(splitAtKeyword('(AND),AND.', 'AND'), ['(', '),', '.']);
  for (const text of ['a and b', 'BAND', 'ANDY', 'AND_', '2AND', 'éAND', 'AND猫', '']) {
    t.strictSame(splitAtKeyword(text, 'AND'), [text]);
  }
});
