/** The story of a request: text to embeddings, noise to latents, latents to pictures. */
import { Image } from '../image/image';
import { formatInfotext } from '../image/infotext';
import { throwIfAborted } from '../model/cancellation';
import type { Context, Model } from '../model/model';
import type { ClipTokenizer } from '../prompt/clip-tokenizer';
import { batchNoise, type NoiseSource, philoxNoise, type Seed, torchNoise } from '../sampling/noise';
import { createNoiseModel, type NoiseModel } from '../sampling/noise-model';
import type { SamplerStep } from '../sampling/types';
import { createDenoiser } from './denoiser';
import { guidedPrediction } from './guidance';
import type { ResolvedRequest, StepEvent } from './request';

/** What a request needs beside itself. */
export interface Studio {
  model: Model;
  tokenizer: ClipTokenizer;
  /** Goes into the pictures' parameters. */
  modelName: string;
}

/** Yields after each step; ends with the last step's latents. */
export async function* sampleLatents(
  { model, tokenizer }: Studio,
  request: ResolvedRequest,
): AsyncGenerator<StepEvent, void, void> {
  const { signal, latentShape, steps } = request;

  // 1. Text: row 0 is the prompt's, row 1 the negative prompt's, which guidance alone needs.
  const context = await encodePrompts(model, tokenizer, request);

  try {
    // 2. Noise levels.
    const noiseModel = noiseModelOf(model);
    const sigmas = request.schedule(steps, noiseModel);

    // 3. Noise: every picture draws from a source of its own, so that it does not depend on its batch.
    const sources = noiseSources(request);
    const perImage = latentShape[1] * latentShape[2] * latentShape[3];
    const noise = () => batchNoise(sources, perImage);
    const start = request.latents ?? noise().map((value) => value * sigmas[0]);

    // 4. The network as a denoiser: conditional and unconditional halves in one batch, then guidance.
    const denoise = createDenoiser({
      model: noiseModel,
      prediction: model.info.prediction.type,
      predictNoise: guidedPrediction(
        (x, timestep) => model.predictNoise(x, latentShape, timestep, context, signal),
        request.cfgScale,
      ),
    });

    // 5. Steps.
    const options = request.eta === undefined ? { noise } : { noise, eta: request.eta };
    let step = 0;
    for await (const { x, denoised } of request.sampler(
      denoise,
      start,
      sigmas,
      options,
    ) as AsyncIterable<SamplerStep>) {
      throwIfAborted(signal);
      step++;
      yield { step, steps: sigmas.length - 1, sigma: sigmas[Math.min(step, sigmas.length - 1)], latents: x, denoised };
    }
  } finally {
    context.dispose();
  }
}

/** 6. Latents to pictures, each with the parameters that made it. */
export async function decodeImages(
  { model, modelName }: Studio,
  request: ResolvedRequest,
  latents: Float32Array,
): Promise<Image[]> {
  const { batchSize, width, height, latentShape, signal } = request;
  const pixels = await model.decodeLatents(latents, latentShape, signal);
  return Array.from({ length: batchSize }, (_, i) => {
    const planes = pixels.subarray(i * 3 * width * height, (i + 1) * 3 * width * height);
    const parameters = formatInfotext({
      prompt: request.prompt,
      negativePrompt: request.negativePrompt,
      steps: request.steps,
      sampler: request.samplerName,
      schedule: request.scheduleName,
      cfgScale: request.cfgScale,
      seed: seedOfImage(request.seed, i),
      width,
      height,
      clipSkip: request.clipSkip,
      model: modelName,
    });
    return new Image(width, height, toRgb8(planes), parameters);
  });
}

/** The seed of picture `i` of a batch. */
export function seedOfImage(seed: Seed, i: number): Seed {
  return typeof seed === 'bigint' ? BigInt.asUintN(64, seed + BigInt(i)) : (seed + i) % 2 ** 53;
}

function noiseSources({ seed, batchSize, rng }: ResolvedRequest): NoiseSource[] {
  const create = rng === 'torch' ? torchNoise : philoxNoise;
  return Array.from({ length: batchSize }, (_, i) => create(seedOfImage(seed, i)));
}

async function encodePrompts(model: Model, tokenizer: ClipTokenizer, request: ResolvedRequest): Promise<Context> {
  const { prompt, negativePrompt, cfgScale, clipSkip, signal } = request;
  const prompts = cfgScale === 1 ? [prompt] : [prompt, negativePrompt];
  const ids = new Int32Array(prompts.length * tokenizer.contextLength);
  prompts.forEach((text, row) => {
    ids.set(tokenizer.encodePrompt(text).ids, row * tokenizer.contextLength);
  });
  const embeddings = await model.encodeText(ids, prompts.length, clipSkip - 1, signal);
  return model.createContext(embeddings, prompts.length, signal);
}

function noiseModelOf(model: Model): NoiseModel {
  const { betaSchedule, betaStart, betaEnd, trainSteps } = model.info.prediction;
  return createNoiseModel({ betaSchedule: betaSchedule as 'scaled_linear', betaStart, betaEnd, trainSteps });
}

/** Planes f32 `[3, pixels]` in -1..1 -> interleaved bytes. */
function toRgb8(planes: Float32Array): Uint8Array {
  const pixels = planes.length / 3;
  const data = new Uint8ClampedArray(planes.length); // rounds and clamps
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) data[i * 3 + c] = (planes[c * pixels + i] + 1) * 127.5;
  }
  return new Uint8Array(data.buffer);
}
