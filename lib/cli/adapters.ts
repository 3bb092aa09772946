/** LoRAs and textual inversions on the command line. */
import { Lora } from '../model/lora';
import { Pipeline, type PipelineOptions } from '../pipeline/pipeline';
import { UsageError } from './usage';

export const adapterHelp = `\
      --lora FILE[:WEIGHT]   a LoRA and how strongly it acts (default 1); several times for several
      --lora-folder FOLDER   where <lora:NAME:WEIGHT> in the prompt is looked for
      --embeddings-folder F  textual inversions: a file's name is the word that it stands for`;

export const adapterOptions = {
  lora: { type: 'string', multiple: true },
  'lora-folder': { type: 'string' },
  'embeddings-folder': { type: 'string' },
} as const;

export interface AdapterValues {
  lora?: string[];
  'lora-folder'?: string;
  'embeddings-folder'?: string;
}

/** Loads a pipeline as the options say. */
export function pipelineLoader(values: AdapterValues) {
  const given = (values.lora ?? []).map(parseLora);
  return async (model: string | undefined, options: PipelineOptions): Promise<Pipeline> => {
    const adapters = given.map(async ({ file, weight }) => ({ lora: await Lora.load(file), weight }));
    return Pipeline.load(model, {
      ...options,
      adapters: await Promise.all(adapters),
      loraFolder: values['lora-folder'],
      embeddingsFolder: values['embeddings-folder'],
    });
  };
}

/** A number behind the last colon is the weight: paths may have colons too. */
function parseLora(value: string): { file: string; weight?: number } {
  const colon = value.lastIndexOf(':');
  const [file, text] = colon < 0 ? [value, ''] : [value.slice(0, colon), value.slice(colon + 1)];
  const weight = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(weight) && file !== '') return { file, weight };
  if (value === '' || value.endsWith(':')) throw new UsageError(`--lora: expected FILE or FILE:WEIGHT, got '${value}'`);
  return { file: value };
}
