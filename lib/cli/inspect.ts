/** `node-diffusion inspect`: what a model file is. */
import { parseArgs } from 'node:util';
import { inspectModel } from '../model/inspect';
import { embeddedModelPath } from '../pipeline/pipeline';
import { UsageError } from './usage';

export const inspectHelp = `node-diffusion inspect [PATH] [--json]

  Tells what a model file or folder is, without loading it (default: the embedded model).`;

export async function inspect(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (positionals.length > 1) throw new UsageError(`unexpected argument '${positionals[1]}'`);
  const { merges, defaults, ...info } = await inspectModel(positionals[0] ?? embeddedModelPath);
  const shown = { ...info, ownVocabulary: merges !== '', defaults: defaults === '' ? {} : JSON.parse(defaults) };
  if (values.json) {
    console.log(JSON.stringify(shown));
    return;
  }
  for (const [name, value] of Object.entries(shown)) {
    const text =
      typeof value === 'object'
        ? Object.entries(value)
            .map(([k, v]) => `${k} ${typeof v === 'object' ? JSON.stringify(v) : v}`)
            .join(', ')
        : String(value);
    console.log(`${name.padEnd(18)} ${text}`);
  }
}
