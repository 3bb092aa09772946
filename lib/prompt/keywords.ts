/** Keywords in a prompt: whole words in capitals, such as `AND` and `BREAK`. */

const wordCharacter = '[\\p{L}\\p{N}_]';

/** The texts between the places where the keyword stands as a word of its own; one text if it does not occur. */
export function splitAtKeyword(text: string, keyword: string): string[] {
  return text.split(new RegExp(`(?<!${wordCharacter})${keyword}(?!${wordCharacter})`, 'u'));
}
