'use strict';
// Whole requests: `node-diffusion bench` (lib/bench) with a model of each family at its own size, of random weights unless a file is named.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { main } = require('../dist/cli/main');
const shapes = require('./model-shapes.cjs');
const { writeRandomModel } = require('./random-weights.cjs');

exports.benchAvatar = (values) => bench({ steps: '25' }, values);

const families = {
  sd15: { size: '512,256', steps: '3', gigabytes: 2.1 },
  sd21: { size: '768', steps: '3', gigabytes: 2.6 },
  sdxl: { size: '1024', steps: '1', gigabytes: 6.9 },
};

/** `name`: a key of {@link families}. */
exports.benchFamily = async (name, values) => {
  const { gigabytes, ...defaults } = families[name];
  const model = values.model ?? path.join(os.tmpdir(), `node-diffusion-random-${name}.safetensors`);
  if (values.model === undefined && !fs.existsSync(model)) {
    console.error(`writing random weights of ${name}'s shapes to ${model} (${gigabytes} GB) ...`);
    writeRandomModel(model, shapes[name]());
  }
  await bench({ precision: 'auto,q8_0', ...defaults }, { ...values, model });
};

function bench(defaults, values) {
  const given = Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== false),
  );
  const args = Object.entries({ ...defaults, ...given }).flatMap(([name, value]) =>
    [value].flat().map((one) => (one === true ? `--${name}` : `--${name}=${one}`)),
  );
  return main(['bench', ...args]);
}
