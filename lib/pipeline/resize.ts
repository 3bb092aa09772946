/** Resizes planes: latents and pictures, up and down. */

/** How far a kernel reaches, in source samples, and its weight at a distance. */
interface Kernel {
  readonly radius: number;
  weight(distance: number): number;
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const kernels = {
  bilinear: { radius: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  lanczos: { radius: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
} satisfies Record<string, Kernel>;

export type KernelName = keyof typeof kernels;

interface Size {
  readonly height: number;
  readonly width: number;
}

/**
 * Separable resampling with pixel centres at halves, for `inSlices`. Going down, `lanczos` widens with the ratio so that nothing aliases,
 * while `bilinear` does not, as torch's `interpolate`, which A1111 enlarges latents with.
 *
 * @param planes f32 `[planes, from.height, from.width]`
 * @param limit the result is held to -limit..limit
 * @returns f32 `[planes, to.height, to.width]`
 */
export function* resizing(
  planes: Float32Array,
  from: Size,
  to: Size,
  kernelName: KernelName,
  limit = Number.POSITIVE_INFINITY,
): Generator<void, Float32Array, void> {
  const count = planes.length / (from.height * from.width);
  const columns = tapsOf(from.width, to.width, kernelName);
  const rows = tapsOf(from.height, to.height, kernelName);
  const wide = new Float32Array(count * from.height * to.width);
  for (let line = 0; line < count * from.height; line++) {
    yield;
    columns.forEach(({ first, weights }, x) => {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * planes[line * from.width + first + i];
      wide[line * to.width + x] = sum;
    });
  }
  const resized = new Float32Array(count * to.height * to.width);
  for (let plane = 0; plane < count; plane++) {
    for (const [y, { first, weights }] of rows.entries()) {
      yield;
      for (let x = 0; x < to.width; x++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) {
          sum += weights[i] * wide[(plane * from.height + first + i) * to.width + x];
        }
        resized[(plane * to.height + y) * to.width + x] = Math.min(limit, Math.max(-limit, sum));
      }
    }
  }
  return resized;
}

/** The source samples that make one of the result; their weights add up to 1. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

function tapsOf(from: number, to: number, kernelName: KernelName): Taps[] {
  const { radius, weight } = kernels[kernelName];
  const stretch = kernelName === 'lanczos' ? Math.max(1, from / to) : 1;
  return Array.from({ length: to }, (_, i) => {
    const exact = ((i + 0.5) * from) / to - 0.5;
    const center = kernelName === 'bilinear' ? Math.min(Math.max(exact, 0), from - 1) : exact;
    const first = Math.max(0, Math.ceil(center - radius * stretch));
    const last = Math.min(from - 1, Math.floor(center + radius * stretch));
    const weights = Array.from({ length: last - first + 1 }, (_, j) => weight((first + j - center) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((value) => value / sum) };
  });
}
