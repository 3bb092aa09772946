/** The LoRAs of a pipeline: those that requests bring, and those that prompts name, from a folder. */
import { stat } from 'node:fs/promises';
import { DiffusionError } from '../errors';
import { type AdapterReport, type AdapterSet, type AdapterUse, withDefaults } from '../model/adapters';
import { Lora } from '../model/lora';
import type { Model } from '../model/model';
import type { ExtraNetwork } from '../prompt/extra-networks';
import { nearNames } from '../prompt/near-names';
import { checkNames, finite, refuse } from './checks';
import { keepLast } from './keep-last';
import { namedFiles } from './named-files';

export interface AdapterOptions {
  /** What requests that bring none of their own are drawn with. */
  adapters?: readonly AdapterUse[];
  /** Where `<lora:name>` in a prompt is looked for: `name.safetensors` (`.pt`, `.ckpt`, `.bin`), in the folders within as well. */
  loraFolder?: string;
}

const endings = ['.safetensors', '.pt', '.ckpt', '.bin'];

/** Kept at once: LoRAs that prompts named, and sets that are bound to the model. */
const loraLimit = 4;
const setLimit = 16;

export class AdapterStore {
  private readonly defaults_: readonly AdapterUse[];
  private readonly folder_: string | undefined;
  private readonly loras_ = new Map<string, Promise<Lora>>(); // by path and time; least recently used first
  private readonly sets_ = new Map<string, Promise<AdapterSet>>(); // likewise

  /** Throws `INVALID_REQUEST` for options of another type. */
  constructor(
    private readonly model_: Pick<Model, 'createAdapters'>,
    { adapters = [], loraFolder }: AdapterOptions,
  ) {
    this.defaults_ = parseAdapters(adapters);
    if (loraFolder !== undefined && typeof loraFolder !== 'string') refuse('loraFolder', 'a path', loraFolder);
    this.folder_ = loraFolder;
  }

  /** Those that a request is drawn with: its own, or the pipeline's. What prompts name comes on top. */
  usesOf(uses: readonly AdapterUse[] | undefined): readonly AdapterUse[] {
    return uses ?? this.defaults_;
  }

  /**
   * The set of a prompt; undefined where it has none.
   *
   * @param uses the request's own; the pipeline's where undefined
   * @param networks those that the prompt names
   * @throws INVALID_REQUEST if a name is not in the folder, or there is no folder; what {@link Model.createAdapters} throws
   */
  async setOf(
    uses: readonly AdapterUse[] | undefined,
    networks: readonly ExtraNetwork[],
  ): Promise<AdapterSet | undefined> {
    const named = await this.load(networks);
    const all = joined([...this.usesOf(uses), ...named]);
    if (all.length === 0) return undefined;
    const key = all.map(({ lora, weight, textEncoderWeight }) => `${lora.id}:${weight}:${textEncoderWeight}`).join();
    return kept(this.sets_, setLimit, key, () => this.model_.createAdapters(all));
  }

  /** What the model makes of a LoRA. */
  async reportOf(lora: Lora): Promise<AdapterReport> {
    const set = await this.model_.createAdapters([{ lora }]);
    return set.reports[0];
  }

  private async load(networks: readonly ExtraNetwork[]): Promise<AdapterUse[]> {
    if (networks.length === 0) return [];
    if (this.folder_ === undefined) {
      const { tag } = networks[0];
      throw new DiffusionError(
        'INVALID_REQUEST',
        `prompt: expected text without ${tag}: the pipeline has no loraFolder`,
      );
    }
    const files = await namedFiles(this.folder_, endings);
    const uses: AdapterUse[] = [];
    for (const { tag, name, unetWeight, textWeight } of networks) {
      const file = files.get(name);
      if (file === undefined) {
        const near = nearNames(name, files.keys());
        const hint = near.length > 0 ? `; near it: ${near.join(', ')}` : ` among ${files.size} names`;
        throw new DiffusionError('INVALID_REQUEST', `prompt: ${tag}: there is no '${name}' in ${this.folder_}${hint}`);
      }
      const { mtimeMs, size } = await stat(file);
      const lora = await kept(this.loras_, loraLimit, `${file} ${mtimeMs} ${size}`, () => Lora.load(file));
      uses.push({ lora, weight: unetWeight, textEncoderWeight: textWeight });
    }
    return uses;
  }
}

/** Throws `INVALID_REQUEST` with the option, what was expected and what came. */
export function parseAdapters(value: unknown): readonly AdapterUse[] {
  if (!Array.isArray(value)) refuse('adapters', 'a list of { lora, weight }', value);
  return (value as AdapterUse[]).map((use, i) => {
    const name = `adapters[${i}]`;
    if (typeof use !== 'object' || use === null) refuse(name, '{ lora, weight }', use);
    checkNames(use, ['lora', 'weight', 'textEncoderWeight']);
    if (!(use.lora instanceof Lora)) refuse(`${name}.lora`, 'the result of Lora.load', use.lora);
    const { lora, weight, textEncoderWeight } = withDefaults(use);
    return {
      lora,
      weight: finite(`${name}.weight`, weight, -1000, 1000),
      textEncoderWeight: finite(`${name}.textEncoderWeight`, textEncoderWeight, -1000, 1000),
    };
  });
}

/** Uses of one LoRA become one: their weights add up. */
function joined(uses: readonly AdapterUse[]): Required<AdapterUse>[] {
  const byLora = new Map<Lora, Required<AdapterUse>>();
  for (const use of uses.map(withDefaults)) {
    const known = byLora.get(use.lora);
    byLora.set(use.lora, {
      lora: use.lora,
      weight: use.weight + (known?.weight ?? 0),
      textEncoderWeight: use.textEncoderWeight + (known?.textEncoderWeight ?? 0),
    });
  }
  return [...byLora.values()];
}

/** The value of a key, made if it is not there; what failed is not kept, nor what was not asked for the longest. */
async function kept<T>(entries: Map<string, Promise<T>>, limit: number, key: string, make: () => Promise<T>) {
  const value = entries.get(key) ?? make();
  keepLast(entries, key, value, limit);
  try {
    return await value;
  } catch (error) {
    if (entries.get(key) === value) entries.delete(key);
    throw error;
  }
}
