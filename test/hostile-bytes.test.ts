/** Bytes from strangers: pictures' parameters, saved runs, vocabularies, prompts. Each is a result or a DiffusionError. */
import fc from 'fast-check';
import t from 'tap';
import { complaint, mutated, randomFrom, readers } from './support/text-readers.cjs';

for (const [name, reader] of Object.entries(readers)) {
  t.test(name, async (t) => {
    for (const seed of reader.seeds) t.equal(complaint(reader, seed), undefined, 'the seeds themselves');
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const error = complaint(reader, mutated(reader.seeds, randomFrom(seed)));
        if (error) throw error;
      }),
      { numRuns: 300 },
    );
  });
}

t.test('a reader that throws what it should not is found', async (t) => {
  const bad = { seeds: [Buffer.from('a')], read: (bytes: Uint8Array) => bytes[1].toString() };
  t.match(complaint(bad, Buffer.from('a')), { name: 'TypeError' });
});
