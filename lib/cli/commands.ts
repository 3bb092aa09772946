/** The subcommands by their names, with the words that somebody may take for one. */
import { nearNames } from '../prompt/near-names';
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

export interface Command {
  run(args: string[], signal: AbortSignal): Promise<void>;
  help: string;
}

const commands: ReadonlyMap<string, Command> = new Map([
  ['txt2img', { run: txt2img, help: txt2imgHelp }],
  ['img2img', { run: img2img, help: img2imgHelp }],
  ['inpaint', { run: inpaint, help: inpaintHelp }],
  ['ddpm', { run: ddpm, help: ddpmHelp }],
  ['upscale', { run: upscale, help: upscaleHelp }],
  ['inspect', { run: inspect, help: inspectHelp }],
  ['convert', { run: convert, help: convertHelp }],
  ['devices', { run: devices, help: devicesHelp }],
  ['bench', { run: bench, help: benchHelp }],
]);

const names = [...commands.keys(), 'help', 'version'];

/** The command that the first argument names, or `txt2img` where it is a prompt or an option; throws UsageError where it looks like a misspelling. */
export function commandOf(args: string[]): { command: Command; rest: string[]; isNamed: boolean } {
  const [first = '', ...rest] = args;
  const command = commands.get(first);
  if (command) return { command, rest, isNamed: true };
  const near = nearCommands(first);
  if (near.length > 0) {
    throw new UsageError(
      `there is no command '${first}': did you mean ${near.join(' or ')}? \`node-diffusion txt2img ${first}\` draws it`,
    );
  }
  return { command: commands.get('txt2img')!, rest: args, isNamed: false };
}

/** What `node-diffusion help` says, of a command or of drawing from a prompt and what else there is. */
export function helpOf(name?: string): string {
  const command = commands.get(name ?? 'txt2img');
  if (!command) throw new UsageError(`help: expected one of ${[...commands.keys()].join(', ')}, got '${name}'`);
  if (name !== undefined) return command.help;
  const others = names.filter((other) => other !== 'txt2img');
  return `${command.help}\n\nOther commands: ${others.join(', ')} (each with --help)`;
}

/** Commands that a lone word may have meant; of prompts, few are that near. */
function nearCommands(word: string): string[] {
  if (!/^\w[\w-]{2,}$/.test(word)) return [];
  return nearNames(word, names, word.length < 5 ? 1 : 2);
}
