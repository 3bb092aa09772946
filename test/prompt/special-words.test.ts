import t from 'tap';
import { namesWord, SpecialWords } from '../../lib/prompt/special-words';

t.test('texts are split at whole words, the longest first, in any case', async (t) => {
  const words = new SpecialWords(100);
  t.strictSame(words.split('a wisp'), ['a wisp']);
  t.strictSame(words.add('wisp', 2), [100, 101]);
  t.strictSame(words.add('wisp of hay', 1), [102]);
  t.strictSame(words.add('<cat-toy>', 1), [103]);
  t.strictSame(words.split('a Wisp, wisps, wisp of hay (WISP)'), [
    ...['a ', [100, 101], ', wisps, ', [102], ' (', [100, 101], ')'],
  ]);
  t.strictSame(words.split('a <cat-toy>, x<cat-toy>'), ['a ', [103], ', x', [103]]);
  t.strictSame(words.add('Wisp', 1), [104], 'a word that is added again has new ids');
  t.strictSame(words.split('wisp'), [[104]]);
  t.strictSame(words.split(''), []);
});

t.test('names of files may hold any character', async (t) => {
  for (const word of ['a.b', 'a+b*', '(x)', '[y]{1}', '^$|?', 'b\\c', 'ärger', '猫']) {
    const words = new SpecialWords(5);
    words.add(word, 1);
    t.strictSame(words.split(`one ${word} two`), ['one ', [5], ' two'], word);
    t.ok(namesWord(`one ${word}`, word));
  }
  t.notOk(namesWord('axb', 'a.b'));
});
