import fc from 'fast-check';
import t from 'tap';
import { readUserComment, writeUserComment } from '../../lib/image/exif';

t.test('a comment comes back, whatever it says', async (t) => {
  for (const text of ['', 'a cat\nSteps: 20', '猫', '猫 😀 Steps: 20', '\ufffd']) {
    t.equal(readUserComment(writeUserComment(text)), text);
  }
  t.equal(writeUserComment('ab').toString('latin1', 44), 'UNICODE\0\0a\0b', 'UTF-16, big-endian');
});

t.test('the bytes tell their order where a writer did not heed the block’s', async (t) => {
  const text = '猫, Steps: 20';
  const block = writeUserComment(text);
  block.subarray(52).swap16();
  t.equal(readUserComment(block), text);
});

t.test('other codes', async (t) => {
  const as = (code: string) => {
    const block = writeUserComment('ab');
    block.write(code, 44, 'latin1');
    block.write('text', 52, 'latin1');
    return readUserComment(block);
  };
  t.equal(as('ASCII\0\0\0'), 'text');
  t.equal(as('\0'.repeat(8)), 'text');
  t.equal(as('JIS\0\0\0\0\0'), undefined);
});

t.test('a damaged block has no comment, and never throws', async (t) => {
  const block = writeUserComment('Steps: 20');
  for (let cut = 0; cut < block.length; cut++)
    t.equal(readUserComment(block.subarray(0, cut)), undefined, `cut at ${cut}`);
  fc.assert(
    fc.property(
      fc.nat({ max: 43 }),
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom('MM', 'II'),
      (at, byte, order) => {
        const damaged = Buffer.from(block);
        damaged.write(order, 'latin1');
        damaged[at] = byte;
        const text = readUserComment(damaged);
        return text === undefined || typeof text === 'string';
      },
    ),
    { numRuns: 2000 },
  );
});
