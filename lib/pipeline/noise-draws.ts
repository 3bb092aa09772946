/** A request's noise: every picture draws from a seeded source of its own, so that it does not depend on its batch. */
import type { PlanesShape } from '../model/model';
import { batchNoise, philoxNoise, type Seed, torchNoise } from '../sampling/noise';
import type { ResolvedSampling } from './sampling-request';

type Seeds = Pick<ResolvedSampling, 'seed' | 'subseed' | 'subseedStrength' | 'batchSize'>;

/** The seed of each picture. Variations of one seed all have it; else they follow each other. */
export function seedsOf({ seed, subseedStrength, batchSize }: Seeds): Seed[] {
  return Array.from({ length: batchSize }, (_, i) => (subseedStrength > 0 ? seed : after(seed, i)));
}

/** The seed of each picture's variation. */
export function subseedsOf({ subseed, batchSize }: Seeds): Seed[] {
  return Array.from({ length: batchSize }, (_, i) => after(subseed, i));
}

/** Draws unit normal noise `[N, C, H, W]`, another at each call; the first one has the variation in it. */
export function noiseDraws(request: Seeds & Pick<ResolvedSampling, 'rng'>, shape: PlanesShape): () => Float32Array {
  const sourceOf = request.rng === 'torch' ? torchNoise : philoxNoise;
  const sources = seedsOf(request).map(sourceOf);
  const perImage = shape[1] * shape[2] * shape[3];
  const { subseedStrength } = request;
  let isFirst = subseedStrength > 0;
  return () => {
    const noise = batchNoise(sources, perImage);
    if (!isFirst) return noise;
    isFirst = false;
    const other = batchNoise(subseedsOf(request).map(sourceOf), perImage);
    return sphericalMix(noise, other, subseedStrength, shape);
  };
}

/**
 * From noise `a` at share 0 to noise `b` at share 1 along a great circle, which keeps it normal. The circle is that of each
 * column of a plane, as in A1111, so that variations are its own.
 *
 * @param shape `[N, C, H, W]` of both
 */
export function sphericalMix(a: Float32Array, b: Float32Array, share: number, shape: PlanesShape): Float32Array {
  const [, , height, width] = shape;
  const mixed = new Float32Array(a.length);
  for (let plane = 0; plane < a.length; plane += height * width) {
    for (let x = 0; x < width; x++) {
      const at = (y: number) => plane + y * width + x;
      let [aa, bb, ab] = [0, 0, 0];
      for (let y = 0; y < height; y++) {
        aa += a[at(y)] ** 2;
        bb += b[at(y)] ** 2;
        ab += a[at(y)] * b[at(y)];
      }
      const angle = Math.acos(Math.min(1, Math.max(-1, ab / Math.sqrt(aa * bb))));
      const sine = Math.sin(angle);
      // Columns on one line have no circle between them, and all but only equal seeds give such.
      const isLine = !(sine > 1e-6);
      const [p, q] = isLine
        ? [1 - share, share]
        : [Math.sin((1 - share) * angle) / sine, Math.sin(share * angle) / sine];
      for (let y = 0; y < height; y++) mixed[at(y)] = p * a[at(y)] + q * b[at(y)];
    }
  }
  return mixed;
}

function after(seed: Seed, i: number): Seed {
  const next = BigInt.asUintN(64, BigInt(seed) + BigInt(i)); // numbers beyond 2^53 would be rounded
  return typeof seed === 'number' && next <= Number.MAX_SAFE_INTEGER ? Number(next) : next;
}
