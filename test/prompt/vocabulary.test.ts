import t from 'tap';
import { bytesOf, loadClipVocabulary, symbolsOf, vocabularyFromMerges } from '../../lib/prompt/vocabulary';

t.test('CLIP’s vocabulary', async (t) => {
  const { tokens, merges, startToken, endToken } = loadClipVocabulary();
  t.equal(tokens.length, 49408);
  t.equal(new Set(tokens).size, 49408, 'no token stands twice');
  t.equal(merges.length, 48894);
  t.strictSame(
    [0, 255, 256, 512, 320, 2368, 49405].map((id) => tokens[id]),
    ['!', 'Ń', '!</w>', 'in', 'a</w>', 'cat</w>', 'jekyll</w>'],
  );
  t.equal(tokens[startToken], '<|startoftext|>');
  t.equal(tokens[endToken], '<|endoftext|>');
  t.strictSame(merges[0], { left: tokens.indexOf('i'), right: tokens.indexOf('n'), merged: 512 });
});

t.test('every byte has its own symbol, and the way back', async (t) => {
  const { tokens } = vocabularyFromMerges('');
  t.equal(tokens.length, 514);
  const bytes = tokens.slice(0, 256).flatMap(bytesOf);
  t.strictSame(
    bytes.toSorted((a, b) => a - b),
    Array.from({ length: 256 }, (_, byte) => byte),
  );
  t.strictSame(
    tokens.slice(256, 512).flatMap(bytesOf),
    bytes.flatMap((byte) => [byte, 0x20]),
  );
  t.strictSame(symbolsOf(''), []);
  t.strictSame(
    symbolsOf('猫').map((id) => bytesOf(tokens[id])),
    [[0xe7], [0x8c], [0xab, 0x20]],
  );
});

t.test('merges may be in any order, with a header, CRLF and a final newline', async (t) => {
  const expected = vocabularyFromMerges('a b\nab c</w>');
  t.strictSame(vocabularyFromMerges('#version: 0.2\r\na b\r\nab c</w>\r\n'), expected);
  t.strictSame(expected.merges[1], { left: 512, right: expected.tokens.indexOf('c</w>'), merged: 513 });
  t.strictSame(vocabularyFromMerges('ab c</w>\na b').merges[0].left, 513);
});

t.test('malformed merges are refused with the line that is wrong', async (t) => {
  for (const [merges, message] of [
    ['a b\nab', 'line 2 of the merges: expected two symbols with a space between, got "ab"'],
    ['a b\n\nc d', 'line 2 of the merges: expected two symbols with a space between, got ""'],
    ['#version: 0.2\na b c', 'line 2 of the merges: expected two symbols with a space between, got "a b c"'],
    ['a  b', 'line 1 of the merges: expected two symbols with a space between, got "a  b"'],
    ['a bc', 'line 1 of the merges: "bc" is neither a byte nor made by another merge'],
    ['é\u4e00 a', 'line 1 of the merges: "é\u4e00" is neither a byte nor made by another merge'],
    ['a <|endoftext|>', 'line 1 of the merges: "<|endoftext|>" is neither a byte nor made by another merge'],
  ]) {
    t.throws(() => vocabularyFromMerges(merges), { name: 'DiffusionError', code: 'INVALID_VOCABULARY', message });
  }
  t.throws(() => vocabularyFromMerges('a b\n'.repeat(2 ** 20 + 1)), { code: 'INVALID_VOCABULARY', message: /at most/ });
});
