/** Each network against diffusers and transformers, on tiny random models of seven kinds (test/fixtures/networks/README.md). */
import t from 'tap';
import { Model, type PlanesShape } from '../../lib/model/model';
import { relativeError } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const models = {
  sd1: 'sd1.safetensors', // CompVis names, 1x1 convolutions around the transformers
  sd2: 'sd2.safetensors', // OpenCLIP names, linear projections, v-prediction
  wide: 'wide', // diffusers folder, f32, odd widths
  deep: 'deep.safetensors', // four levels, bf16, odd sizes
  avatar: 'avatar.safetensors', // the embedded model's architecture
  quant: 'quant.gguf', // Q8_0 linears
  linear: 'linear', // sharded diffusers folder
};

// What each precision may add to the reference's own rounding. In f32 and f16 the arithmetic is f32; in the others, and in auto unless the
// file is f32, it is bf16 or int8 where the CPU has it.
// Widths here are no multiples of 256, so q6_k stands for blocks of eight bits, multiplied in bf16; q5_1 errs by its own five bits.
const tolerances = { f32: 1e-4, f16: 3e-3, bf16: 3e-2, q8_0: 5e-2, q6_k: 3e-2, q5_1: 0.15, auto: 5e-2 };

for (const [name, file] of Object.entries(models)) {
  const reference = readFixture(networkPath(`${name}.ref.safetensors`));
  const shape = (tensor: string) => reference.f32(tensor).shape as unknown as PlanesShape;

  for (const [precision, tolerance] of Object.entries(tolerances)) {
    t.test(`${name} in ${precision}`, async (t) => {
      const model = await Model.load(networkPath(...file.split('/')), { precision, threads: 1 });
      t.teardown(() => model.dispose());
      const close = (actual: Float32Array, expected: string) => {
        const error = relativeError(actual, reference.f32(expected).data);
        t.ok(error <= tolerance, `${expected}: relative L2 error ${error.toExponential(2)} <= ${tolerance}`);
      };

      const embeddings = reference.f32('embeddings');
      const [rows, tokens, width] = embeddings.shape;
      close(await model.encodeText(reference.i32('ids').data, rows), 'embeddings');
      if (reference.has('embeddings.skip_1')) {
        close(await model.encodeText(reference.i32('ids').data, rows, 1), 'embeddings.skip_1');
      }

      const context = await model.createContext(embeddings.data, rows);
      const latents = reference.f32('latents').data;
      const { timestep, fractional_timestep: fractional } = reference.facts;
      close(await model.predictNoise(latents, shape('latents'), timestep, context), 'noise.grid');
      const grid = await model.predictNoise(latents, shape('latents'), fractional, context);
      close(diagonal(grid, 2), 'noise.fractional');

      if (reference.has('odd.noise')) {
        const first = await model.createContext(embeddings.data.slice(0, tokens * width), 1);
        const odd = reference.f32('odd.latents').data;
        close(await model.predictNoise(odd, shape('odd.latents'), timestep, first), 'odd.noise');
      }
      if (reference.has('long.noise')) {
        const long = await model.createContext(embeddings.data, 1); // both rows' tokens as one long prompt
        const [, c, h, w] = shape('latents');
        const one = latents.slice(0, c * h * w);
        close(await model.predictNoise(one, [1, c, h, w], timestep, long), 'long.noise');
      }

      close(await model.decodeLatents(reference.f32('decode.latents').data, shape('decode.latents')), 'decode.pixels');
      close(await model.encodeImage(reference.f32('encode.pixels').data, shape('encode.pixels')), 'encode.latents');
    });
  }
}

/** Prediction r of latents r, from `[n, n, ...]`. */
function diagonal(grid: Float32Array, n: number): Float32Array {
  const size = grid.length / (n * n);
  const result = new Float32Array(n * size);
  for (let i = 0; i < n; i++) result.set(grid.subarray((i * n + i) * size, (i * n + i + 1) * size), i * size);
  return result;
}
