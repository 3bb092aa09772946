/** ControlNets in a request: its checks, and what they add to the UNet at each step. */
import { Image } from '../image/image';
import { ControlNet } from '../model/control-net';
import type { Addition, Context, Hint, ModelInfo, PlanesShape, Residuals } from '../model/model';
import { checkNames, finite, oneOf, refuse } from './checks';
import { contextLimit, type PromptRows } from './conditioning';
import { keepLast } from './keep-last';
import type { PixelSize } from './size-conditioning';
import { inSlices, isResting } from './slices';
import { planesOf } from './source';

/** A ControlNet that a request is held to. */
export interface ControlOptions {
  /** Of the model's own architecture; not disposed of with the request. */
  net: ControlNet;
  /** What it follows: edges, depth, a pose ..., made already. It is resized to the picture that is drawn. */
  image: Image;
  /** How strongly, 0 to 10. Default 1. */
  weight?: number;
  /** The shares of the steps, 0 to 1, between which it is applied, as in diffusers. Default 0 and 1: all. */
  start?: number;
  /** See `start`. */
  end?: number;
  /**
   * `balanced`; `prompt`: the finer the map, the less it is added, down to a tenth; `control`: the same, and with the prompt alone, not with
   * the negative one, so that guidance strengthens it (diffusers' guess mode). Default `balanced`.
   */
  mode?: ControlMode;
}

/** What a ControlNet leaves to the prompt; see {@link ControlOptions.mode}. */
export type ControlMode = 'balanced' | 'prompt' | 'control';

export type ResolvedControl = Required<ControlOptions>;

const modes: readonly ControlMode[] = ['balanced', 'prompt', 'control'];

/** Throws `INVALID_REQUEST` with the option, what was expected and what came. */
export function parseControl(value: unknown, info: ModelInfo): ResolvedControl[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > 16) refuse('control', 'a list of up to 16 ControlNets', value);
  return (value as ControlOptions[]).map((options, i) => {
    const name = `control[${i}]`;
    checkNames(options, ['net', 'image', 'weight', 'start', 'end', 'mode']);
    const { net, image } = options;
    if (!(net instanceof ControlNet)) refuse(`${name}.net`, 'a ControlNet', net);
    if (!(image instanceof Image)) refuse(`${name}.image`, 'an Image', image);
    checkNet(`${name}.net`, net, info);
    const start = finite(`${name}.start`, options.start ?? 0, 0, 1);
    return {
      ...{ net, image, start },
      weight: finite(`${name}.weight`, options.weight ?? 1, 0, 10),
      end: finite(`${name}.end`, options.end ?? 1, start, 1),
      mode: oneOf(`${name}.mode`, options.mode ?? 'balanced', modes),
    };
  });
}

function checkNet(name: string, { info: net }: ControlNet, info: ModelInfo): void {
  const shapeOf = ({ unet }: ModelInfo) => {
    const addition = unet?.addition;
    const rest = addition ? `, pooled text of ${addition.pooledWidth}, ${addition.sizeNumbers} numbers` : '';
    return `channels ${unet?.blockChannels.join(', ')}, text of ${unet?.contextWidth}${rest}`;
  };
  const factor = info.vae?.downscale;
  if (shapeOf(net) !== shapeOf(info)) refuse(name, `one for this model (${shapeOf(info)})`, shapeOf(net));
  if (net.controlNet?.downscale !== factor || net.unet?.inChannels !== info.vae?.latentChannels) {
    const [fits, got] = [`${info.vae?.latentChannels} channels at 1 / ${factor}`, net.controlNet?.downscale];
    refuse(name, `one for latents of ${fits}`, `${net.unet?.inChannels} channels at 1 / ${got}`);
  }
}

/** A pass of the UNet, as its ControlNets see it. */
export interface ControlledPass {
  readonly context: Context;
  readonly embeddings: Float32Array;
  readonly addition?: Addition | null;
  readonly prompts: readonly PromptRows[];
  /** Without what an inpainting UNet sees beside. */
  readonly latents: Float32Array;
  readonly shape: PlanesShape;
  readonly timestep: number;
  /** Counted from 1. */
  readonly step: number;
  readonly steps: number;
}

/** The ControlNets of a request while pictures of one size are drawn. Holds native memory: `dispose` it. */
export class Controls {
  private readonly hints_ = new Map<ResolvedControl, Promise<Hint>>();
  private readonly contexts_ = new Map<ControlNet, Map<Context, Context>>();

  constructor(
    private readonly controls_: readonly ResolvedControl[],
    private readonly pixels_: PixelSize,
    private readonly signal_: AbortSignal | undefined,
  ) {}

  /** Those of the nets that are applied at this step, for one pass; the caller disposes of them. */
  async residuals(pass: ControlledPass): Promise<Residuals[]> {
    const made: Residuals[] = [];
    try {
      for (const control of this.controls_) {
        // As diffusers has it: from the first step that begins at `start` or later to the last that ends by `end`.
        const [begins, ends] = [(pass.step - 1) / pass.steps, pass.step / pass.steps];
        if (begins >= control.start && ends <= control.end) made.push(await this.apply(control, pass));
      }
      return made;
    } catch (error) {
      for (const residuals of made) residuals.dispose();
      throw error;
    }
  }

  dispose(): void {
    for (const hint of this.hints_.values()) hint.then((made) => made.dispose()).catch(() => {});
    for (const contexts of this.contexts_.values()) for (const context of contexts.values()) context.dispose();
    this.hints_.clear();
    this.contexts_.clear();
  }

  private async apply(control: ResolvedControl, pass: ControlledPass): Promise<Residuals> {
    const { latents, shape, timestep } = pass;
    const context = await this.contextFor(control.net, pass);
    const hint = await this.hintOf(control);
    const strengths = strengthsOf(control, pass.prompts, control.net.info.controlNet!.maps);
    const { model } = control.net;
    return model.controlResiduals(latents, shape, timestep, context, hint, strengths, this.signal_);
  }

  /** Embedded once: it does not change between steps. */
  private hintOf(control: ResolvedControl): Promise<Hint> {
    const known = this.hints_.get(control);
    if (known) return known;
    const { width, height } = this.pixels_;
    const hint = inSlices(hintPixels(control.image, this.pixels_)).then((pixels) =>
      control.net.model.embedHint(pixels, [1, 3, height, width], this.signal_),
    );
    this.hints_.set(control, hint);
    return hint;
  }

  /** Of the same embeddings; the keys that a net reads from them are its own. */
  private async contextFor(net: ControlNet, { context, embeddings, addition }: ControlledPass): Promise<Context> {
    const contexts = this.contexts_.get(net) ?? new Map<Context, Context>();
    this.contexts_.set(net, contexts);
    const own =
      contexts.get(context) ??
      (await net.model.createContext(embeddings, context.rows, this.signal_, addition ?? null));
    keepLast(contexts, context, own, contextLimit)?.dispose();
    return own;
  }
}

/** f32 `[3, height, width]` in 0..1. */
function* hintPixels(image: Image, size: PixelSize): Generator<void, Float32Array, void> {
  const pixels = yield* planesOf(image, size);
  for (let i = 0; i < pixels.length; i++) {
    if (isResting(i)) yield;
    pixels[i] = (pixels[i] + 1) / 2;
  }
  return pixels;
}

/** f32 `[rows, maps]`. */
function strengthsOf({ weight, mode }: ResolvedControl, prompts: readonly PromptRows[], maps: number): Float32Array {
  // From 0.1 for the finest map to 1 for the middle's, as diffusers' guess mode has it.
  const soft = Array.from({ length: maps }, (_, i) => (mode === 'balanced' ? 1 : 10 ** (i / (maps - 1) - 1)));
  const isHeld = prompts.flatMap(({ weights, hasNegative }) => [
    ...weights.map(() => true),
    ...(hasNegative ? [mode !== 'control'] : []),
  ]);
  return Float32Array.from(isHeld.flatMap((held) => soft.map((share) => (held ? weight * share : 0))));
}
