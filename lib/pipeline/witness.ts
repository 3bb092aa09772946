/** What a request came to, stage by stage, as short hashes: two machines whose pictures differ see where they part. */
import { createHash } from 'node:crypto';
import type { Image } from '../image/image';

/** Each the first 16 hexadecimal digits of a SHA-256. */
export interface StageHashes {
  /** Of the texts' embeddings, weighted and in one batch, as often as they were made: once, and again where prompts change on the way. */
  text: string[];
  /** Of the latents that the steps begin with; another where the picture is enlarged and drawn over, or a refiner takes over. */
  start: string[];
  /** Of the latents after each step. */
  steps: string[];
  /** Of each picture's RGB8 pixels. */
  pixels: string[];
}

/** Hashes stages as they pass. */
export class Witness {
  readonly hashes: StageHashes = { text: [], start: [], steps: [], pixels: [] };

  /** f32, of any shape, or bytes. */
  see(stage: keyof StageHashes, values: Float32Array | Uint8Array): void {
    // Every machine that the addon runs on is little-endian, so that f32 are the same bytes everywhere.
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.hashes[stage].push(createHash('sha256').update(bytes).digest('hex').slice(0, 16));
  }
}

/** The hashes of a request that has a witness, with those of its pictures. */
export function testimony({ witness }: { witness?: Witness }, images: readonly Image[]): { hashes?: StageHashes } {
  if (!witness) return {};
  for (const { data } of images) witness.see('pixels', data);
  return { hashes: witness.hashes };
}
