/** `node-diffusion upscale`: a picture made larger by a network. */
import { parseArgs } from 'node:util';
import { checkWritable } from '../files';
import { Image } from '../pipeline/image-request';
import { Upscaler } from '../pipeline/upscaler';
import { networkOptions } from './network-options';
import { print } from './print';
import { createProgress } from './progress';
import { UsageError } from './usage';

export const upscaleHelp = `node-diffusion upscale FILE --model PATH -o OUT.png [options]

  -o, --output FILE.png      where the picture goes (default out.png)
  -m, --model PATH           an upscaler of ESRGAN's kind, safetensors or .pth
      --device NAME          auto, cpu, cuda, metal or vulkan, as \`node-diffusion devices\` lists them (default auto)
      --precision NAME       auto, f32, f16, bf16, q8_0 ...
      --threads N            compute threads
      --memory-budget-mb N   compute buffers; above it the picture is done in tiles
      --json                 one JSON object on stdout, no progress bar
      --quiet                no progress bar, no summary`;

const options = {
  output: { type: 'string', short: 'o', default: 'out.png' },
  model: { type: 'string', short: 'm' },
  device: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  'memory-budget-mb': { type: 'string' },
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
} as const;

export async function upscale(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [file, ...more] = positionals;
  if (file === undefined)
    throw new UsageError('a picture is needed: node-diffusion upscale in.png -m MODEL -o out.png');
  if (more.length > 0) throw new UsageError(`unexpected argument '${more[0]}'`);
  if (values.model === undefined) throw new UsageError('--model: expected the file of an upscaler, got none');
  const network = networkOptions(values);
  await checkWritable(values.output);
  const progress = createProgress(values.json || values.quiet);
  const started = performance.now();
  try {
    const image = await Image.open(file);
    await using upscaler = await Upscaler.load(values.model, { ...network, signal });
    const onProgress = (fraction: number) => progress.update('upscaling', fraction, 1);
    const larger = await upscaler.upscale(image, { signal, onProgress });
    await larger.save(values.output);
    const { width, height } = larger;
    const seconds = (performance.now() - started) / 1000;
    progress.clear();
    if (values.json) await print(JSON.stringify({ images: [{ file: values.output, width, height }], seconds }));
    else if (!values.quiet) console.error(`${values.output}  (${width} x ${height}, ${seconds.toFixed(2)} s)`);
  } finally {
    progress.clear();
  }
}
