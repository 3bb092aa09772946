/** `node-diffusion bench`: how fast a model draws here, and beside what. */
import { parseArgs } from 'node:util';
import { compare, readReport } from '../bench/baseline';
import { chartEnding, chartFile } from '../bench/chart';
import { findPeer, type InstalledPeer, peers } from '../bench/peers/index';
import { runBench } from '../bench/run';
import { describeComparison, describeReport } from '../bench/text';
import { checkWritable, writeWhole } from '../files';
import { print } from './print';
import { createProgress } from './progress';
import { numberOption, UsageError } from './usage';

export const benchHelp = `node-diffusion bench [options]

  Measures drawing, stage by stage, in processes of its own: medians with the least and the most.

  -m, --model PATH           safetensors or GGUF file, or diffusers folder (default: the embedded avatar model)
      --size S,S             pixels, one or several: 512 or 512x768 (default: the size that the model was trained on)
      --steps N              sampling steps, each with guidance (default 5)
      --precision P,P        one or several: auto, f32, f16, bf16, q8_0, q4_0, q4_k ... (default auto)
      --threads N            compute threads (default: as many as the machine runs at once)
      --repeat N             rounds of each configuration (default 3)
      --json [FILE]          the report as JSON, on stdout or into a file
      --baseline FILE        compares with a report that --json wrote
      --chart FILE           draws the report, as .svg or .png
      --peer NAME=PROGRAM    measures another program on the same weights too, in turn; several times for several.
                             NAME is one of ${Object.keys(peers).join(', ')}; the environment's
                             SD_CLI and SD_CLI_DEFAULT name the first two as well`;

export async function bench(args: string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    args: withJsonValue(args),
    options: {
      model: { type: 'string', short: 'm' },
      size: { type: 'string' },
      steps: { type: 'string' },
      precision: { type: 'string' },
      threads: { type: 'string' },
      repeat: { type: 'string' },
      json: { type: 'string' },
      baseline: { type: 'string' },
      chart: { type: 'string' },
      peer: { type: 'string', multiple: true, default: [] },
    },
  });
  const { chart, json } = values;
  if (chart !== undefined) chartEnding(chart);
  const installed = peersFrom(values.peer, process.env);
  const baseline = values.baseline === undefined ? undefined : await readReport(values.baseline);
  const reportFile = json === '-' ? undefined : json;
  for (const file of [reportFile, chart]) if (file !== undefined) await checkWritable(file);
  const progress = createProgress();
  const report = await runBench({
    model: values.model,
    sizes: values.size?.split(',').map(parseSize),
    steps: numberOption('steps', values.steps),
    precisions: values.precision?.split(','),
    threads: numberOption('threads', values.threads),
    repeat: numberOption('repeat', values.repeat),
    peers: installed,
    signal,
    onProgress: (what, done, total) => progress.update(`measuring ${what}`, done, total),
  }).finally(() => progress.clear());
  const comparison = baseline && compare(report, baseline);
  const text = JSON.stringify({ ...report, comparison }, null, 2);
  if (json === '-') await print(text);
  else await print([describeReport(report), ...(comparison ? ['', describeComparison(comparison)] : [])].join('\n'));
  if (reportFile !== undefined) await writeWhole(reportFile, Buffer.from(`${text}\n`));
  if (chart !== undefined) await writeWhole(chart, await chartFile(chart, report));
}

/** Alone, `--json` is `--json=-`. */
function withJsonValue(args: string[]): string[] {
  return args.map((arg, i) => {
    const isAlone = arg === '--json' && (args[i + 1]?.startsWith('-') ?? true) && args[i + 1] !== '-';
    return isAlone ? '--json=-' : arg;
  });
}

function parseSize(text: string): { width: number; height: number } {
  const [, width, height = width] = /^(\d{1,6})(?:x(\d{1,6}))?$/.exec(text) ?? [];
  if (width === undefined) throw new UsageError(`--size: expected pixels such as 512 or 512x768, got '${text}'`);
  return { width: Number(width), height: Number(height) };
}

function peersFrom(options: string[], environment: NodeJS.ProcessEnv): InstalledPeer[] {
  const { SD_CLI, SD_CLI_DEFAULT } = environment;
  const named: [name: string, program: string][] = options.map((option) => {
    const at = option.indexOf('=');
    if (at < 1) throw new UsageError(`--peer: expected NAME=PROGRAM, got '${option}'`);
    return [option.slice(0, at), option.slice(at + 1)];
  });
  if (SD_CLI) named.push(['sd-cli', SD_CLI]);
  if (SD_CLI_DEFAULT) named.push(['sd-cli-default', SD_CLI_DEFAULT]);
  return named.map(([name, program]) => findPeer(name, program));
}
