'use strict';
// npm run bench [-- avatar | sd15 | sd21 | sdxl | kernels | accuracy] [options]: what is measured, and how, stands in docs/benchmarks.md.
const { parseArgs } = require('node:util');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' }, // sd15, sd21, sdxl: a file of that family; default: random weights in the temporary folder
    precision: { type: 'string' }, // one or several, with commas between
    threads: { type: 'string' },
    size: { type: 'string' }, // one or several
    steps: { type: 'string' },
    json: { type: 'boolean', default: false },
    // sd15, sd21, sdxl and avatar, as `node-diffusion bench` has them:
    repeat: { type: 'string' },
    baseline: { type: 'string' },
    chart: { type: 'string' },
    peer: { type: 'string', multiple: true },
  },
});

const benches = {
  avatar: () => require('./model.cjs').benchAvatar(values),
  sd15: () => require('./model.cjs').benchFamily('sd15', values),
  sd21: () => require('./model.cjs').benchFamily('sd21', values),
  sdxl: () => require('./model.cjs').benchFamily('sdxl', values),
  kernels: () => require('./kernels.cjs').benchKernels(values),
  accuracy: () => require('./accuracy.cjs').benchAccuracy(values),
};

async function main() {
  const names = positionals.length > 0 ? positionals : ['avatar'];
  for (const name of names) {
    if (!Object.hasOwn(benches, name)) {
      console.error(`bench: expected one of ${Object.keys(benches).join(', ')}, got '${name}'`);
      process.exit(2);
    }
    await benches[name]();
  }
}

main();
