'use strict';
// A picture from a prompt: node examples/node/commonjs.cjs out.png
const { Pipeline } = require('node-diffusion');

async function main() {
  const pipeline = await Pipeline.load();
  const { images } = await pipeline.txt2img({ prompt: 'a smiling man with a blue hat', seed: 1 });
  await images[0].save(process.argv[2] ?? 'out.png');
  await pipeline.dispose();
}

main();
