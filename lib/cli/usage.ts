/** What the subcommands share of being used: texts to numbers, and what is refused. */

/** Wrong use of the command line: the program ends with exit code 2. */
export class UsageError extends Error {}

/** A number from an option's text. */
export function numberOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number))
    throw new UsageError(`--${name}: expected a number, got '${value}'`);
  return number;
}
