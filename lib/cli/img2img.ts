/** `node-diffusion img2img`: pictures from a picture and a prompt. */
import { parseArgs } from 'node:util';
import { Image } from '../pipeline/image-request';
import { pipelineLoader } from './adapters';
import { companionLoader } from './companions';
import { draw } from './drawing';
import { textHelp, textOptions, textRequest } from './txt2img';
import { numberOption, UsageError } from './usage';

export const img2imgHelp = `node-diffusion img2img "PROMPT" --image FILE -o OUT.png [options]

  -i, --image FILE           what to begin from; it is resized where --width and --height say so
      --strength X           how much is drawn anew, 0 to 1: so much of the steps is taken (default 0.75)
${textHelp}`;

const options = { ...textOptions, image: { type: 'string', short: 'i' }, strength: { type: 'string' } } as const;

export async function img2img(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const request = {
    ...textRequest(values, positionals),
    strength: numberOption('strength', values.strength),
    image: await openImage('image', values.image),
    signal,
  };
  const withCompanions = companionLoader(values, signal);
  await draw(values, signal, pipelineLoader(values), async (pipeline, onStep) => {
    const drawn = await withCompanions((companions) => pipeline.img2img({ ...request, ...companions, onStep }));
    return { ...drawn, facts: { prompt: request.prompt } };
  });
}

/** The picture that an option names; it has to be given. */
export function openImage(name: string, file: string | undefined): Promise<Image> {
  if (file === undefined) throw new UsageError(`--${name}: expected the file of a picture, got none`);
  return Image.open(file);
}
