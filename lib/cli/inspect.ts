/** `node-diffusion inspect`: what a model file is. */
import { parseArgs } from 'node:util';
import { estimateMemory } from '../model/estimate-memory';
import { inspectModel } from '../model/inspect';
import { embeddedModelPath } from '../pipeline/pipeline';
import { numberOption, UsageError } from './usage';

export const inspectHelp = `node-diffusion inspect [PATH] [--json]

  Tells what a model file or folder is, without loading it (default: the embedded model).

  --memory              tells what a request would need of memory instead, with
  --width, --height, --batch-size, --precision, --threads, --memory-budget-bytes as it will be drawn`;

export async function inspect(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      memory: { type: 'boolean', default: false },
      width: { type: 'string' },
      height: { type: 'string' },
      'batch-size': { type: 'string' },
      precision: { type: 'string' },
      threads: { type: 'string' },
      'memory-budget-bytes': { type: 'string' },
    },
    allowPositionals: true,
  });
  if (positionals.length > 1) throw new UsageError(`unexpected argument '${positionals[1]}'`);
  const path = positionals[0] ?? embeddedModelPath;
  if (values.memory) {
    const number = (name: 'width' | 'height' | 'batch-size' | 'threads' | 'memory-budget-bytes') =>
      numberOption(name, values[name]);
    const estimate = await estimateMemory(path, {
      ...{ width: number('width'), height: number('height'), batchSize: number('batch-size') },
      ...{ precision: values.precision, threads: number('threads'), memoryBudgetBytes: number('memory-budget-bytes') },
    });
    show({ ...estimate }, values.json);
    return;
  }
  const { merges, defaults, ...info } = await inspectModel(path);
  const shown = { ...info, ownVocabulary: merges !== '', defaults: defaults === '' ? {} : JSON.parse(defaults) };
  show(shown, values.json);
}

function show(facts: Record<string, unknown>, asJson: boolean): void {
  if (asJson) {
    console.log(JSON.stringify(facts));
    return;
  }
  for (const [name, value] of Object.entries(facts)) {
    const text =
      value !== null && typeof value === 'object'
        ? Object.entries(value)
            .map(([k, v]) => `${k} ${typeof v === 'object' ? JSON.stringify(v) : v}`)
            .join(', ')
        : String(value);
    console.log(`${name.padEnd(18)} ${text}`);
  }
}
