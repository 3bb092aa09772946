/** The command line: picks the subcommand, and turns how it ends into an exit code. */
import { DiffusionError, type ErrorCode } from '../errors';
import { bench, benchHelp } from './bench';
import { convert, convertHelp } from './convert';
import { ddpm, ddpmHelp } from './ddpm';
import { devices, devicesHelp } from './devices';
import { img2img, img2imgHelp } from './img2img';
import { inpaint, inpaintHelp } from './inpaint';
import { inspect, inspectHelp } from './inspect';
import { txt2img, txt2imgHelp } from './txt2img';
import { upscale, upscaleHelp } from './upscale';
import { UsageError } from './usage';

interface Command {
  run(args: string[], signal: AbortSignal): Promise<void>;
  help: string;
}

const commands: Readonly<Record<string, Command>> = {
  txt2img: { run: txt2img, help: txt2imgHelp },
  img2img: { run: img2img, help: img2imgHelp },
  inpaint: { run: inpaint, help: inpaintHelp },
  ddpm: { run: ddpm, help: ddpmHelp },
  upscale: { run: upscale, help: upscaleHelp },
  inspect: { run: inspect, help: inspectHelp },
  convert: { run: convert, help: convertHelp },
  devices: { run: devices, help: devicesHelp },
  bench: { run: bench, help: benchHelp },
};

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
    const [exitCode, sentence] = explain(error);
    console.error(`node-diffusion: ${sentence}`);
    process.exitCode = exitCode;
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

async function dispatch(args: string[], signal: AbortSignal): Promise<void> {
  const named = Object.hasOwn(commands, args[0] ?? '');
  const command = commands[named ? args[0] : 'txt2img'];
  const rest = named ? args.slice(1) : args;
  if (rest.includes('--help') || rest.includes('-h')) {
    console.log(command.help);
    if (!named) console.log(`\nOther commands: ${Object.keys(commands).slice(1).join(', ')} (each with --help)`);
  } else if (args.length === 0) {
    throw new UsageError('a prompt is needed: node-diffusion "a smiling woman" -o out.png (--help tells more)');
  } else if (args[0] === '--version') {
    console.log(require('../../package.json').version);
  } else {
    await command.run(rest, signal);
  }
}

function explain(error: unknown): [exitCode: number, sentence: string] {
  if (error instanceof DiffusionError) {
    if (error.code === 'ABORTED') return [130, 'cancelled'];
    return [wrongUse.has(error.code) ? 2 : 1, `${error.code}: ${error.message}`];
  }
  const code = (error as { code?: unknown }).code;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError || String(code).startsWith('ERR_PARSE_ARGS')) return [2, message];
  return [1, message];
}
