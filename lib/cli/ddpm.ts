/** `node-diffusion ddpm`: pictures from noise alone, by an unconditional model. */
import { parseArgs } from 'node:util';
import { Pipeline } from '../pipeline/pipeline';
import type { UnconditionalPipeline, UnconditionalRequest, UnconditionalResult } from '../pipeline/unconditional';
import type { StageHashes } from '../pipeline/witness';
import { draw, drawingHelp, drawingOptions, samplingRequest } from './drawing';
import { numberOption, UsageError } from './usage';

export const ddpmHelp = `node-diffusion ddpm -o OUT.png [options]

  Draws with a model that takes no prompt (DDPM, the simplest diffusion model).

  -o, --output FILE.png      where the picture goes; several become FILE-1.png, FILE-2.png ... (default out.png)
  -m, --model PATH           safetensors or GGUF file, or diffusers folder, with a UNet2DModel (default: the embedded one)
      --count N              pictures, the seeds of which follow each other (default 1)
${drawingHelp}`;

const options = { ...drawingOptions, count: { type: 'string', default: '1' } } as const;

/** Pictures of a batch: bounds its memory. */
const mostAtOnce = 16;

export async function ddpm(args: string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ args, options });
  const count = numberOption('count', values.count) ?? 1;
  if (!Number.isInteger(count) || count < 1)
    throw new UsageError(`--count: expected a whole number, 1 or more, got '${values.count}'`);
  const request = { ...samplingRequest(values), signal };
  await draw(values, signal, Pipeline.unconditional, (pipeline, onStep) =>
    drawMany(pipeline, { ...request, onStep }, count),
  );
}

/** Pictures with the seeds `seed`, `seed` + 1 ... */
async function drawMany(
  pipeline: UnconditionalPipeline,
  request: UnconditionalRequest,
  count: number,
): Promise<UnconditionalResult> {
  const drawn: UnconditionalResult = { images: [], seeds: [] };
  let { seed } = request;
  while (drawn.images.length < count) {
    const batchSize = Math.min(mostAtOnce, count - drawn.images.length);
    const { images, seeds, hashes } = await pipeline.generate({ ...request, seed, batchSize });
    drawn.images.push(...images);
    drawn.seeds.push(...seeds);
    drawn.hashes = joined(drawn.hashes, hashes);
    const last = seeds[batchSize - 1];
    seed = typeof last === 'bigint' ? BigInt.asUintN(64, last + 1n) : (last + 1) % 2 ** 53;
  }
  return drawn;
}

/** Of several batches, those of the first one first. */
function joined(first: StageHashes | undefined, second: StageHashes | undefined): StageHashes | undefined {
  if (!first || !second) return second;
  const stages = Object.entries(first).map(([stage, hashes]) => [
    stage,
    hashes.concat(second[stage as keyof StageHashes]),
  ]);
  return Object.fromEntries(stages) as unknown as StageHashes;
}
