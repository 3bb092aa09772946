/** The story of a request: text to embeddings, noise to latents, latents to pictures. */
import type { Image } from '../image/image';
import type { PlanesShape } from '../model/model';
import type { LatentCodec } from '../model/vae';
import type { Ends } from './callback';
import { Controls } from './control';
import type { Direction } from './direction';
import { factsOf } from './facts';
import { composite, latentMask } from './mask';
import type { AnswerMemory } from './memory';
import { GuidedNetwork } from './network';
import { noiseDraws } from './noise-draws';
import { toImages } from './pictures';
import { legsOf } from './refiner';
import type { ResolvedHires, ResolvedRequest } from './request';
import { resizing } from './resize';
import { type Network, noiseModelOf, sampleLatents } from './sample';
import type { StepEvent } from './sampling-request';
import { inSlices } from './slices';
import { type GivenSource, inpaintingChannels, isInpainting } from './source';
import type { Studio } from './studio';
import { Upscaler } from './upscaler';

/** Latents and what they are of. */
export interface Latents {
  readonly latents: Float32Array;
  readonly shape: PlanesShape;
}

/** Yields after each step; ends with the last step's latents. `direction` is asked at every evaluation. */
export async function* drawLatents(
  studio: Studio,
  request: ResolvedRequest,
  direction: () => Direction,
  memory?: AnswerMemory,
): AsyncGenerator<StepEvent, void, void> {
  const { hires, source, latentShape: shape } = request;
  const noiseModel = noiseModelOf(studio.info.prediction);
  const run = (descent: Beginning) => descend(studio, request, direction, descent, memory);

  // 1. Noise levels: of a picture's own, the last ones.
  const sigmas = lastSigmas(request.schedule(request.steps, noiseModel), source?.strength ?? 1);
  const hiresSigmas = hires ? lastSigmas(request.schedule(hires.steps, noiseModel), hires.strength) : [0];
  const steps = sigmas.length + hiresSigmas.length - 2;

  // 2. The picture, or the small one that is enlarged afterwards.
  let small: StepEvent | undefined;
  for await (const event of run({ shape, sigmas, source })) {
    small = event;
    yield { ...event, steps };
  }
  if (!hires || !small) return;

  // 3. The same, larger, and drawn over.
  const larger = await enlarge(studio.vae, small, hires, request.signal);
  for await (const event of run({ shape: larger.shape, sigmas: hiresSigmas, original: larger.latents })) {
    yield { ...event, step: small.step + event.step, steps };
  }
}

/** What ends a request from outside. */
export function endsOf({ model }: Studio, { signal, refiner }: ResolvedRequest): Ends {
  return { signal, models: refiner ? [model, refiner.studio.model] : [model] };
}

/** Latents to pictures. What a mask keeps is the original, whatever the VAE makes of it. */
export async function decodeImages(
  studio: Studio,
  request: ResolvedRequest,
  { latents, shape }: Latents,
): Promise<Image[]> {
  const { vae } = studio;
  const pixels = await vae.decodeLatents(latents, shape, request.signal);
  const { downscale } = vae.info.vae!;
  const [count, , height, width] = shape;
  const size = { height: height * downscale, width: width * downscale };
  const source = await request.source?.resolve();
  if (source?.mask) {
    for (let at = 0; at < pixels.length; at += pixels.length / count) {
      const picture = pixels.subarray(at, at + pixels.length / count);
      picture.set(await inSlices(composite(picture, source.pixels, source.mask)));
    }
  }
  return toImages(pixels, { ...request, ...size }, (i) => factsOf(request, i, studio));
}

/** Where a descent begins: at the request's source, at latents of its own, or at noise alone. */
interface Beginning {
  readonly shape: PlanesShape;
  readonly sigmas: readonly number[];
  readonly source?: GivenSource;
  /** f32 of `shape`. */
  readonly original?: Float32Array;
}

async function* descend(
  studio: Studio,
  request: ResolvedRequest,
  direction: () => Direction,
  { shape, sigmas, source: given, original }: Beginning,
  memory: AnswerMemory | undefined,
): AsyncGenerator<StepEvent, void, void> {
  const { info, vae } = studio;
  const { clipSkip, sizes, adapters, priority, witness, refiner, signal } = request;
  const { downscale } = info.vae!;
  const pixelSize = { height: shape[2] * downscale, width: shape[3] * downscale };

  // 1. The picture as latents, and what an inpainting UNet sees of it.
  const source = await given?.resolve();
  const pixelShape = [1, 3, pixelSize.height, pixelSize.width] as const;
  const encoded = source ? await vae.encodeImage(source.pixels, pixelShape, signal) : original;
  const extra = isInpainting(info) ? await inpaintingChannels(vae, pixelSize, source, signal) : undefined;

  // 2. Noise. A masked picture that is drawn anew in full begins with nothing else.
  const noise = noiseDraws(request, shape);
  const first = request.latents && !original ? undefined : noise();
  const isPure = encoded === undefined || (source?.mask !== undefined && given?.strength === 1);
  const noised = (value: number, i: number) =>
    isPure ? value * sigmas[0] : encoded[i % encoded.length] + value * sigmas[0];
  let latents = first ? first.map(noised) : request.latents!;

  // 3. What the mask keeps; an inpainting UNet keeps it by itself.
  const kept =
    source?.mask && first && encoded
      ? { mask: await inSlices(latentMask(source.mask, pixelSize, downscale)), latents: encoded, noise: first }
      : undefined;

  // 4. Text and network, then noise to latents; a refiner takes the last steps.
  const latentShape = shape;
  const steps = sigmas.length - 1;
  const conditions = { latentShape, clipSkip, sizes, pixels: pixelSize, steps, priority, witness, signal };
  for (const leg of legsOf(studio, sigmas, refiner, noiseModelOf(info.prediction))) {
    const seen = isInpainting(leg.studio.info) ? extra : undefined;
    // LoRAs and ControlNets are for the network that the prompt is for; a refiner has the LoRAs of its own pipeline.
    const isFirst = leg.studio === studio;
    const own = isFirst ? { adapters } : { ignoresNamed: true };
    const isHeld = isFirst && request.control.length > 0;
    const controls = isHeld ? new Controls(request.control, pixelSize, signal) : undefined;
    const network = new GuidedNetwork(leg.studio, { ...conditions, ...own }, direction, seen, controls);
    const predict: Network = (x, timestep, at) => network.predict(x, timestep, { ...at, step: leg.before + at.step });
    const descent = { shape, sigmas: leg.sigmas, start: latents, noise, kept: seen ? undefined : kept };
    try {
      for await (const event of sampleLatents(leg.studio.info, request, predict, descent, memory)) {
        latents = event.latents as typeof latents;
        yield { ...event, step: leg.before + event.step, steps };
      }
    } finally {
      network.dispose();
      controls?.dispose();
    }
  }
}

/** The last `floor(steps * strength)` steps, and one at least. */
function lastSigmas(sigmas: readonly number[], strength: number): number[] {
  const steps = sigmas.length - 1;
  const taken = Math.min(steps, Math.max(1, Math.floor(steps * strength)));
  return sigmas.slice(steps - taken);
}

async function enlarge(
  vae: LatentCodec,
  { latents, shape }: Latents,
  { upscaler, width, height }: ResolvedHires,
  signal: AbortSignal | undefined,
): Promise<Latents> {
  const [count, channels, h, w] = shape;
  const { downscale } = vae.info.vae!;
  const to = { height: height / downscale, width: width / downscale };
  const larger: PlanesShape = [count, channels, to.height, to.width];
  if (upscaler === 'latents') {
    const resized = await inSlices(resizing(latents, { height: h, width: w }, to, 'bilinear'));
    return { latents: resized, shape: larger };
  }
  let pixels = await vae.decodeLatents(latents, shape, signal);
  let from = { height: h * downscale, width: w * downscale };
  if (upscaler instanceof Upscaler) {
    pixels = await upscaler.upscalePixels(pixels, [count, 3, from.height, from.width], signal);
    from = { height: from.height * upscaler.scale, width: from.width * upscaler.scale };
  }
  const resized = await inSlices(resizing(pixels, from, { height, width }, 'lanczos', 1));
  return { latents: await vae.encodeImage(resized, [count, 3, height, width], signal), shape: larger };
}
