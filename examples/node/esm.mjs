// Step by step, with a time limit: node examples/node/esm.mjs out.png
import { Pipeline } from 'node-diffusion';

const pipeline = await Pipeline.load();
const signal = AbortSignal.timeout(60_000);
try {
  for await (const step of pipeline.steps({ prompt: 'a woman with red hair', seed: 2, steps: 12, signal })) {
    console.log(`step ${step.step} of ${step.steps}, sigma ${step.sigma.toFixed(3)}`);
    if (step.step < step.steps) continue;
    const [image] = await step.decode();
    await image.save(process.argv[2] ?? 'out.png');
  }
} catch (error) {
  if (error.name !== 'AbortError') throw error;
  console.error('it took longer than a minute');
} finally {
  await pipeline.dispose();
}
