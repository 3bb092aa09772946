/** The UNet under prompts and guidance: what it predicts at a step, for every picture of a batch. */
import type { AdapterUse } from '../model/adapters';
import type { Context, PlanesShape, PredictOptions } from '../model/model';
import { Conditioning, type Pass, type PromptRows, type TextStudio } from './conditioning';
import type { Controls } from './control';
import type { Direction } from './direction';
import { composedGuidance, perturbedGuidance, rescaledGuidance, type WeightedPrediction } from './guidance';
import { concatenated } from './joint-passes';
import type { Evaluation, Predicted } from './sample';
import type { PixelSize, SizeRequest } from './size-conditioning';
import type { Witness } from './witness';

export interface NetworkRequest {
  /** f32 latents `[N, C, H, W]`: the pictures of the first prompt, then those of the second ... */
  readonly latentShape: PlanesShape;
  readonly clipSkip: number;
  readonly sizes: SizeRequest;
  /** The size that is drawn. */
  readonly pixels: PixelSize;
  readonly steps: number;
  readonly priority?: number;
  readonly witness?: Witness;
  readonly signal?: AbortSignal;
  /** The request's own; the pipeline's where undefined. */
  readonly adapters?: readonly AdapterUse[];
  /** Whether LoRAs that the prompts name are for another network. */
  readonly ignoresNamed?: boolean;
}

/** What a pass is asked about. */
interface At {
  readonly x: Float32Array;
  readonly pictures: number;
  readonly timestep: number;
  readonly step: number;
}

/** Its contexts are native memory: `dispose` it. */
export class GuidedNetwork {
  private conditioning_: Conditioning | undefined;
  private readonly seen_ = new WeakSet<Context>(); // by the witness
  private conditionedOn_: Pick<Direction, 'prompts' | 'negativePrompts'> | undefined;

  /**
   * @param direction asked at every evaluation
   * @param extra f32 `[extra channels, H, W]`: what the UNet sees of every picture beside its latents; none where undefined
   * @param controls disposed of by the caller
   */
  constructor(
    private readonly studio_: TextStudio,
    private readonly request_: NetworkRequest,
    private readonly direction_: () => Direction,
    private readonly extra_?: Float32Array,
    private readonly controls_?: Controls,
  ) {}

  /** `x` f32 `[N, C, H, W]`, scaled to unit variance -> predictions of the same shape. */
  async predict(x: Float32Array, timestep: number, { step, sigma, both }: Evaluation): Promise<Predicted> {
    const direction = this.direction_();
    const [low, high] = direction.guidanceInterval ?? [0, Number.POSITIVE_INFINITY];
    const isGuided = sigma >= low && sigma <= high;
    const cfgScale = isGuided ? direction.cfgScale : 1;
    // A UNet that was distilled with guidance takes the scale itself.
    const { takesGuidance } = this.studio_.model.info.unet!;
    const scale = takesGuidance ? 1 : cfgScale;
    const options = takesGuidance ? { guidance: cfgScale } : undefined;
    const conditioning = this.conditioningFor(direction);
    const passes = await conditioning.passes(step, (prompt) => {
      const [weight, ...others] = conditioning.weights(prompt);
      return both || others.length > 0 || weight * scale !== 1;
    });

    const pictures = this.request_.latentShape[0] / direction.prompts.length;
    const size = x.length / direction.prompts.length;
    const guided = new Float32Array(x.length);
    const unconditional = new Float32Array(x.length);
    const { cfgRescale, pagScale, pagLayers, pagMethod } = direction;
    const weakened = { ...options, perturbed: { kind: pagMethod, blocks: pagLayers } };
    // The same passes without the negative prompts.
    const weaker = isGuided && pagScale > 0 ? await conditioning.passes(step, () => false) : [];
    for (const [i, pass] of passes.entries()) {
      this.bearWitness(pass);
      const at = { x, pictures, timestep, step };
      const rows = rowsIn(await this.evaluate(pass, at, options), size);
      const perturbed = weaker[i] && rowsIn(await this.evaluate(weaker[i], at, weakened), size);
      for (const asked of pass.prompts) {
        const { conds, plain, ...predicted } = guide(asked, rows, scale);
        if (perturbed) {
          const missed = conds.map(() => perturbed.next().value!);
          predicted.guided = perturbedGuidance(predicted.guided, conds, missed, pagScale);
        }
        if (cfgRescale > 0) predicted.guided = rescaledGuidance(predicted.guided, plain(), cfgRescale, pictures);
        guided.set(predicted.guided, asked.prompt * size);
        unconditional.set(predicted.unconditional, asked.prompt * size);
      }
    }
    return { guided, unconditional };
  }

  dispose(): void {
    this.conditioning_?.dispose();
    this.conditioning_ = undefined;
  }

  private bearWitness({ context, embeddings }: Pass): void {
    if (!this.seen_.has(context)) this.request_.witness?.see('text', embeddings);
    this.seen_.add(context);
  }

  private conditioningFor(direction: Direction): Conditioning {
    const { prompts, negativePrompts } = direction;
    const current = this.conditionedOn_;
    if (this.conditioning_ && current?.prompts === prompts && current.negativePrompts === negativePrompts) {
      return this.conditioning_;
    }
    this.dispose();
    this.conditionedOn_ = { prompts, negativePrompts };
    this.conditioning_ = new Conditioning(this.studio_, direction, this.request_);
    return this.conditioning_;
  }

  /** One pass of the UNet -> f32 `[rows, pictures, C, H, W]`. */
  private async evaluate(
    { prompts, ...pass }: Pass,
    { x, pictures, timestep, step }: At,
    options: PredictOptions | undefined,
  ): Promise<Float32Array> {
    const { latentShape, steps, priority, signal } = this.request_;
    const [count, channels, height, width] = latentShape;
    const size = (x.length / count) * pictures;
    const ofPrompt = (prompt: number) => x.subarray(prompt * size, (prompt + 1) * size);
    // One prompt's rows all see the same latents, which are then given once.
    const seenBy = (latents: (prompt: number) => Float32Array) => {
      const rowsOf = ({ prompt, weights, hasNegative }: PromptRows) =>
        Array<Float32Array>(weights.length + Number(hasNegative)).fill(latents(prompt));
      return prompts.length === 1 ? latents(prompts[0].prompt) : concatenated(prompts.flatMap(rowsOf));
    };
    const extraChannels = this.extra_ ? this.extra_.length / (height * width) : 0;
    const shape = [pictures, channels + extraChannels, height, width] as const;
    const plain = [pictures, channels, height, width] as const;
    const asked = { ...pass, latents: seenBy(ofPrompt), shape: plain, timestep };
    const residuals = (await this.controls_?.residuals({ ...asked, prompts, step, steps })) ?? [];
    try {
      const latents = this.extra_ ? seenBy((prompt) => this.withExtra(ofPrompt(prompt), pictures)) : asked.latents;
      const controlled = residuals.length > 0 ? { ...options, residuals } : options;
      return await this.studio_.passes.predict({ ...asked, latents, shape, options: controlled, priority, signal });
    } finally {
      for (const one of residuals) one.dispose();
    }
  }

  private withExtra(x: Float32Array, pictures: number): Float32Array {
    const { extra_: extra } = this;
    if (!extra) return x;
    const size = x.length / pictures;
    const pictureOf = (i: number) => x.subarray(i * size, (i + 1) * size);
    return concatenated(Array.from({ length: pictures }, (_, i) => [pictureOf(i), extra]).flat());
  }
}

/** Takes the prompt's rows; `plain` is the prediction at scale 1. */
function guide({ weights, hasNegative }: PromptRows, rows: Iterator<Float32Array, undefined>, scale: number) {
  const conds: WeightedPrediction[] = weights.map((weight) => ({ weight, prediction: rows.next().value! }));
  const unconditional = hasNegative ? rows.next().value! : conds[0].prediction;
  const at = (wanted: number) => (hasNegative ? composedGuidance(conds, unconditional, wanted) : conds[0].prediction);
  return { conds, guided: at(scale), unconditional, plain: () => at(1) };
}

function* rowsIn(rows: Float32Array, size: number): Generator<Float32Array, undefined> {
  for (let at = 0; at < rows.length; at += size) yield rows.subarray(at, at + size);
}
