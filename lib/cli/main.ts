/** The command line: picks the subcommand, and turns how it ends into an exit code. */
import { DiffusionError, type ErrorCode } from '../errors';
import { commandOf, helpOf } from './commands';
import { print } from './print';
import { UsageError } from './usage';

/** What a request may be refused for: the user's words, not the machine. */
const wrongUse: ReadonlySet<ErrorCode> = new Set([
  'INVALID_ARGUMENT',
  'INVALID_REQUEST',
  'UNKNOWN_SAMPLER',
  'UNKNOWN_SCHEDULE',
]);

/** Runs the command line; sets the exit code: 0 done, 1 failed, 2 wrong use, 130 cancelled. */
export async function main(args: string[]): Promise<void> {
  const cancel = new AbortController();
  const onInterrupt = () => cancel.abort(); // the second Ctrl-C ends the process at once
  process.once('SIGINT', onInterrupt);
  try {
    await dispatch(args, cancel.signal);
  } catch (error) {
    const [exitCode, sentence] = explain(error, args);
    console.error(`node-diffusion: ${sentence}`);
    process.exitCode = exitCode;
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

async function dispatch(args: string[], signal: AbortSignal): Promise<void> {
  const [first, ...others] = args;
  if (first === undefined) {
    throw new UsageError('a prompt is needed: node-diffusion "a smiling woman" -o out.png (--help tells more)');
  }
  if (['version', '--version', '-v'].includes(first)) {
    expectAtMost(0, others);
    return print(require('../../package.json').version);
  }
  if (first === 'help') {
    expectAtMost(1, others);
    return print(helpOf(others[0]));
  }
  const { command, rest, isNamed } = commandOf(args);
  if (rest.includes('--help') || rest.includes('-h')) return print(isNamed ? command.help : helpOf());
  await command.run(rest, signal);
}

function expectAtMost(count: number, args: string[]): void {
  if (args.length > count) throw new UsageError(`unexpected argument '${args[count]}'`);
}

function explain(error: unknown, args: string[]): [exitCode: number, sentence: string] {
  if (error instanceof DiffusionError) {
    if (error.code === 'ABORTED') return [130, 'cancelled'];
    return [wrongUse.has(error.code) ? 2 : 1, `${error.code}: ${asCommands(error.message)}`];
  }
  const code = (error as { code?: unknown }).code;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError) return [2, message];
  if (String(code).startsWith('ERR_PARSE_ARGS')) return [2, valueWithDash(message, args) ?? message];
  return [1, message];
}

/** What the API calls a way to load a model is a command here. */
function asCommands(message: string): string {
  return message
    .replace('load it with Pipeline.unconditional()', '`node-diffusion ddpm` draws with it')
    .replace('load it with Pipeline.load()', '`node-diffusion "PROMPT"` draws with it');
}

/** parseArgs' three lines on `--seed -1` as one. */
function valueWithDash(message: string, args: string[]): string | undefined {
  const [, given, name] = /^Option '(-[\w-]+)' argument is ambiguous.* '(--[\w-]+)=-XYZ'/s.exec(message) ?? [];
  if (name === undefined) return undefined;
  const value = args[args.indexOf(given) + 1];
  const quoted = /^[\w.-]+$/.test(value) ? value : `'${value}'`;
  return `${name}: expected a value, got '${value}': a value that begins with a dash is written ${name}=${quoted}`;
}
