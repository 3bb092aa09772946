'use strict';
// Compares full Stable Diffusion 1.5 shapes with diffusers, once, by hand: the reference comes from
// test/fixtures/networks/full_size.py, run on the same model file.
//   node scripts/check-full-size.cjs MODEL.safetensors REFERENCE.safetensors [precision]
const fs = require('node:fs');
const { Model } = require('../dist');

/** The tensors by name, and the facts that the generator wrote. */
function readReference(file) {
  const bytes = fs.readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...tensors } = JSON.parse(bytes.subarray(8, start).toString());
  const tensor = (name) => {
    const { dtype, shape, data_offsets: offsets } = tensors[name];
    const { buffer } = new Uint8Array(bytes.subarray(start + offsets[0], start + offsets[1]));
    return { shape, data: dtype === 'I32' ? new Int32Array(buffer) : new Float32Array(buffer) };
  };
  return { tensor, facts: JSON.parse(metadata.facts) };
}

function relativeError(actual, expected) {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

async function main([modelFile, referenceFile, precision = 'auto']) {
  const { tensor: reference, facts } = readReference(referenceFile);
  const model = await Model.load(modelFile, { precision });
  // In bf16 what diffusers' own bf16 pass errs on random weights (full_size.py), in int8 three times that.
  const bounds = { f32: 1e-4, f16: 3e-3, bf16: 1.6e-2, auto: 1.6e-2, q8_0: 4.8e-2 };
  const limit = bounds[precision] ?? Number.POSITIVE_INFINITY;
  let worst = 0;
  const report = (name, actual, expected) => {
    const error = relativeError(actual, expected.data);
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
    console.log(`${name.padEnd(12)} [${expected.shape.join(', ')}]  relative L2 error ${error.toExponential(2)}`);
  };
  const ids = reference('ids');
  const rows = ids.shape[0];
  report('text', await model.encodeText(ids.data, rows), reference('embeddings'));
  const context = await model.createContext(reference('embeddings').data, rows);
  for (const size of [32, 64]) {
    const latents = reference(`latents.${size}`);
    const noise = await model.predictNoise(latents.data, latents.shape, facts.timestep, context);
    report(`noise ${size}`, noise, reference(`noise.${size}`));
  }
  const latents = reference('decode.latents');
  report('decode', await model.decodeLatents(latents.data, latents.shape), reference('decode.pixels'));
  await model.dispose();
  console.log(
    `${model.info.precision} weights, peak ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB: ${worst <= limit ? 'within' : 'OUTSIDE'} ${limit}`,
  );
  process.exitCode = worst <= limit ? 0 : 1;
}

main(process.argv.slice(2));
