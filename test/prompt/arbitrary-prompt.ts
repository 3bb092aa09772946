/** Random prompts for property tests: what people write, and what nobody should. */
import fc from 'fast-check';

const pieces = [
  ...[
    '(',
    ')',
    '[',
    ']',
    ':',
    '|',
    '\\',
    '<',
    '>',
    ',',
    ' ',
    '\n',
    '\0',
    '.',
    '-',
    '1',
    '0.5',
    'a',
    'cat',
    'é',
    '猫',
    '\ud83d',
    '😀',
  ],
  ...[
    ' AND ',
    'AND',
    ' BREAK ',
    'BREAK',
    ':1.3)',
    ':0.5]',
    ':3]',
    '::2]',
    '[a|',
    '((',
    '[[',
    '\\(',
    '\\|',
    '<lora:x:0.8>',
  ],
  ...['<lora:', '9'.repeat(400), ':-', '1e9', '=', '_'],
];

/** Any string, those made of the syntax's own characters most of all. */
export const anyPrompt = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((list) => list.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
);

/** Text in which no character means anything, not blank. */
export const plainText = fc
  .array(fc.constantFrom('a', 'old', 'cat', 'é', '8k', 'and', 'break', '-', ','), { minLength: 1, maxLength: 5 })
  .map((words) => words.join(' '));
