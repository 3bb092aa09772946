import t from 'tap';
import { Bpe, mergeSymbols, type RankOf } from '../../lib/prompt/bpe';
import { loadClipVocabulary, symbolsOf, vocabularyFromMerges } from '../../lib/prompt/vocabulary';

/** The definition, word for word: join the leftmost pair of lowest rank until there is none. Quadratic. */
function mergeByDefinition(symbols: number[], rankOf: RankOf, merged: ArrayLike<number>): number[] {
  const joined = [...symbols];
  for (;;) {
    let best: number | undefined;
    let at = -1;
    for (let i = 0; i + 1 < joined.length; i++) {
      const rank = rankOf(joined[i], joined[i + 1]);
      if (rank !== undefined && (best === undefined || rank < best)) [best, at] = [rank, i];
    }
    if (best === undefined) return joined;
    joined.splice(at, 2, merged[best]);
  }
}

t.test('joins by rank, not by position', async (t) => {
  const bpe = new Bpe(vocabularyFromMerges('b c</w>\na b\na a'));
  const [a, b] = symbolsOf('ab ').slice(0, 2);
  t.strictSame(bpe.encode('abc'), [a, 512]);
  t.strictSame(bpe.encode('aaaa'), [514, ...symbolsOf('a.a').slice(0, 1), symbolsOf('a')[0]]);
  t.strictSame(bpe.encode('abx'), [513, symbolsOf('x')[0]]);
  t.strictSame(bpe.encode('ba'), [b, symbolsOf('a')[0]]);
  t.strictSame(bpe.encode(''), []);
});

t.test('equals the definition on words of a small alphabet, where pairs overlap', async (t) => {
  // Rank and result of a pair are arbitrary: nothing here was learnt in a sensible order.
  const merged = Array.from({ length: 25 }, (_, rank) => 5 + ((rank * 7) % 11));
  const ranks = new Map(merged.map((_, rank) => [((rank * 11) % 25) + (rank % 3) * 100, rank]));
  const rankOf: RankOf = (left, right) => ranks.get((left % 5) * 5 + (right % 5) + (left % 3) * 100);
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let joins = 0;
  for (let round = 0; round < 3000; round++) {
    const symbols = Array.from({ length: random(24) }, () => random(5));
    const expected = mergeByDefinition(symbols, rankOf, merged);
    joins += symbols.length - expected.length;
    const actual = mergeSymbols(symbols, rankOf, merged);
    if (actual.join() !== expected.join()) t.strictSame(actual, expected, `of ${symbols}`);
  }
  t.ok(joins > 10000, `${joins} joins`);
});

t.test('equals the definition on words of CLIP', async (t) => {
  const vocabulary = loadClipVocabulary();
  const bpe = new Bpe(vocabulary);
  const merged = vocabulary.merges.map((merge) => merge.merged);
  for (const word of ['antidisestablishmentarianism', 'aaaaaaaaaaaaaaaa', 'ştefănescu', '猫猫猫', '?!?!?!!!', 'x']) {
    t.strictSame(bpe.encode(word), mergeByDefinition(symbolsOf(word), bpe.rankOf, merged), word);
  }
});

t.test('a word of 100,000 characters takes no more look-ups than a few for each character', async (t) => {
  const vocabulary = loadClipVocabulary();
  const bpe = new Bpe(vocabulary);
  const merged = vocabulary.merges.map((merge) => merge.merged);
  for (const unit of ['a', 'ha', 'photograph', 'qzx', '猫']) {
    const word = unit.repeat(Math.ceil(100_000 / unit.length));
    const symbols = symbolsOf(word);
    let lookUps = 0;
    const rankOf: RankOf = (left, right) => {
      lookUps++;
      return bpe.rankOf(left, right);
    };
    const ids = mergeSymbols(symbols, rankOf, merged);
    t.ok(lookUps <= 3 * symbols.length, `${lookUps} look-ups for ${symbols.length} symbols`);
    t.equal(ids.map((id) => vocabulary.tokens[id]).join(''), symbols.map((id) => vocabulary.tokens[id]).join(''));
  }
});

t.test('the cache changes nothing, even when it starts afresh', async (t) => {
  const bpe = new Bpe(loadClipVocabulary());
  const words = Array.from({ length: 5000 }, (_, index) => `word${index.toString(36)}`);
  const first = words.map((word) => bpe.encode(word));
  t.strictSame(
    words.map((word) => bpe.encode(word)),
    first,
  );
  t.equal(bpe.encode('cat'), bpe.encode('cat'), 'remembered');
});
