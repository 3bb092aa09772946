/** Parts of a pipeline's studio that a test has no use for. */
import type { Model } from '../../lib/model/model';
import { AdapterStore } from '../../lib/pipeline/adapter-store';
import { WordStore } from '../../lib/pipeline/word-store';

/** No LoRAs and no words beside CLIP's vocabulary. */
export function noAdapters(model: Model) {
  const textEncoder = { layers: 12, width: 768, heads: 12, vocabularySize: 49408, contextLength: 77 };
  return { adapters: new AdapterStore(model, {}), words: new WordStore({ textEncoder }, [{ number: 1 }], {}) };
}
