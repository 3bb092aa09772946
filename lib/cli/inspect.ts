/** `node-diffusion inspect`: what a model file is. */
import { parseArgs } from 'node:util';
import { estimateMemory } from '../model/estimate-memory';
import { inspectModel } from '../model/inspect';
import { embeddedModelPath } from '../pipeline/pipeline';
import { networkOptions } from './network-options';
import { print } from './print';
import { numberOption, UsageError } from './usage';

export const inspectHelp = `node-diffusion inspect [PATH] [options]

  Tells what a model file or folder is, without loading it (default: the embedded model).

      --json                 one JSON object on stdout
      --memory               tells what a request would need of memory instead, drawn with
      --width N, --height N  pixels (default: the size that the model was trained on)
      --batch-size N         pictures at once
      --precision NAME       auto, f32, f16, bf16, q8_0, q4_0, q4_k ...
      --threads N            compute threads
      --memory-budget-mb N   compute buffers; above it pictures are decoded in tiles`;

const memoryOptions = {
  width: { type: 'string' },
  height: { type: 'string' },
  'batch-size': { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  'memory-budget-mb': { type: 'string' },
} as const;

const options = {
  json: { type: 'boolean', default: false },
  memory: { type: 'boolean', default: false },
  ...memoryOptions,
} as const;

export async function inspect(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(`unexpected argument '${positionals[1]}'`);
  const path = positionals[0] ?? embeddedModelPath;
  if (values.memory) {
    const { precision, threads, memoryBudgetBytes } = networkOptions(values);
    const estimate = await estimateMemory(path, {
      width: numberOption('width', values.width),
      height: numberOption('height', values.height),
      batchSize: numberOption('batch-size', values['batch-size']),
      ...{ precision, threads, memoryBudgetBytes },
    });
    await show({ ...estimate }, values.json);
    return;
  }
  const alone = Object.keys(memoryOptions).find((name) => values[name as keyof typeof memoryOptions] !== undefined);
  if (alone !== undefined) throw new UsageError(`--${alone}: expected --memory beside it, got none`);
  const { merges, defaults, ...info } = await inspectModel(path);
  const shown = { ...info, ownVocabulary: merges !== '', defaults: defaults === '' ? {} : JSON.parse(defaults) };
  await show(shown, values.json);
}

async function show(facts: Record<string, unknown>, asJson: boolean): Promise<void> {
  if (asJson) {
    await print(JSON.stringify(facts));
    return;
  }
  for (const [name, value] of Object.entries(facts)) {
    const text =
      value !== null && typeof value === 'object'
        ? Object.entries(value)
            .map(([k, v]) => `${k} ${typeof v === 'object' ? JSON.stringify(v) : v}`)
            .join(', ')
        : String(value);
    await print(`${name.padEnd(18)} ${text}`);
  }
}
