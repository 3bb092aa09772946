/** `node-diffusion inpaint`: repaints a part of a picture. */
import { parseArgs } from 'node:util';
import { pipelineLoader } from './adapters';
import { companionLoader } from './companions';
import { draw } from './drawing';
import { openImage } from './img2img';
import { textHelp, textOptions, textRequest } from './txt2img';
import { numberOption } from './usage';

export const inpaintHelp = `node-diffusion inpaint "PROMPT" --image FILE --mask FILE -o OUT.png [options]

  -i, --image FILE           the picture
      --mask FILE            as large as the picture: white is repainted, black stays
      --mask-blur X          pixels over which white goes over into black (default 0)
      --strength X           how much is drawn anew, 0 to 1: so much of the steps is taken (default 0.75)
${textHelp}`;

const options = {
  ...textOptions,
  image: { type: 'string', short: 'i' },
  mask: { type: 'string' },
  'mask-blur': { type: 'string' },
  strength: { type: 'string' },
} as const;

export async function inpaint(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const request = {
    ...textRequest(values, positionals),
    strength: numberOption('strength', values.strength),
    maskBlur: numberOption('mask-blur', values['mask-blur']),
    image: await openImage('image', values.image),
    mask: await openImage('mask', values.mask),
    signal,
  };
  const withCompanions = companionLoader(values, signal);
  await draw(values, signal, pipelineLoader(values), async (pipeline, onStep) => {
    const drawn = await withCompanions((companions) => pipeline.inpaint({ ...request, ...companions, onStep }));
    return { ...drawn, facts: { prompt: request.prompt } };
  });
}
