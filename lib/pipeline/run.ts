/** A request that is drawn step by step: watched, steered, saved and taken up again. */
import { DiffusionError } from '../errors';
import { Image } from '../image/image';
import type { ModelInfo } from '../model/model';
import { Vae } from '../model/vae';
import { answered } from './callback';
import { checkNames, refuse } from './checks';
import { type Changes, changed, type Direction, directionOf, parseDirection, steered } from './direction';
import { decodeImages, drawLatents, endsOf } from './generate';
import type { Img2ImgRequest, InpaintRequest } from './image-request';
import { type Answer, AnswerMemory } from './memory';
import { pack, unpack } from './packing';
import { hasLinearPreview, linearPreview } from './preview';
import type { HiresOptions, ResolvedRequest, Txt2ImgRequest } from './request';
import type { PipelineStep, StepEvent } from './sampling-request';
import { type Studio, studioOf } from './studio';
import { Upscaler } from './upscaler';
import type { StageHashes } from './witness';

/** A request for any task: with a mask it is for inpaint, with an image alone for img2img. */
export type AnyRequest = Txt2ImgRequest | Img2ImgRequest | InpaintRequest;

/** What a saved run cannot hold: give it again where the run had it. */
export type ResumeOptions = Pick<
  Txt2ImgRequest,
  'sampler' | 'schedule' | 'adapters' | 'vae' | 'control' | 'hires' | 'refiner' | 'signal' | 'onStep'
>;

/** Where a run was left. */
export interface SavedRun {
  readonly request: AnyRequest;
  readonly direction: Direction;
  readonly step: number;
  readonly answers: readonly Answer[];
}

interface Saved extends SavedRun {
  format: unknown;
  model: string;
  refiner?: string;
  functions: (typeof givenAgain)[number][];
}

const format = 'node-diffusion run 1';

/** What may be a function or a loaded network, neither of which can be saved. */
const givenAgain = [
  'sampler',
  'schedule',
  'adapters',
  'vae',
  'control',
  'hires',
] as const satisfies (keyof ResumeOptions)[];

const unsavedThings: Record<(typeof givenAgain)[number], string> = {
  sampler: 'the function that the run had, which is',
  schedule: 'the function that the run had, which is',
  adapters: 'the LoRAs that the run had, which are',
  vae: 'the VAE that the run had, which is',
  control: 'the ControlNets that the run had, which are',
  hires: 'the upscaler that the run had, which is',
};

/**
 * The steps of a request, for `for await`. Leaving the loop ends the work; nothing is computed ahead of it.
 */
export class Run implements AsyncIterableIterator<PipelineStep, void, void> {
  private readonly memory_: AnswerMemory;
  private readonly steps_: AsyncGenerator<PipelineStep, void, void>;
  private direction_: Direction;
  private step_: number;

  /**
   * `request` is what `resolved` was parsed from; it is what is saved.
   * @internal
   */
  constructor(
    private readonly studio_: Studio,
    private readonly request_: AnyRequest,
    private readonly resolved_: ResolvedRequest,
    saved?: SavedRun,
  ) {
    this.memory_ = new AnswerMemory(saved && [...saved.answers]);
    this.direction_ = saved?.direction ?? resolved_;
    this.step_ = saved?.step ?? 0;
    this.steps_ = this.draw(this.step_);
  }

  /** Changes prompts or guidance from the next step on. Throws `INVALID_REQUEST`; then nothing has changed. */
  change(changes: Changes): void {
    this.direction_ = changed(this.direction_, changes);
  }

  /**
   * The run as it is after its last step, as bytes that `pipeline.resume` takes, here or in another process: the request, and
   * what the network has answered. Functions, LoRAs and signals are not in it.
   */
  save(): Uint8Array {
    const { seed, subseed } = this.resolved_;
    return pack({
      ...{ format, model: fingerprint(this.studio_.model.info), step: this.step_, answers: this.memory_.answers },
      request: Object.fromEntries(Object.entries({ ...this.request_, seed, subseed }).flatMap(saveable)),
      refiner: this.resolved_.refiner && fingerprint(this.resolved_.refiner.studio.model.info),
      functions: givenAgain.filter((name) => isGivenAgain(name, (this.request_ as Txt2ImgRequest)[name])),
      direction: directionOf(this.direction_),
    });
  }

  /** So far, without those of pixels; of a request that is `deterministic`. */
  get hashes(): StageHashes | undefined {
    return this.resolved_.witness?.hashes;
  }

  /** The next step, or the end. */
  next(): Promise<IteratorResult<PipelineStep, void>> {
    return this.steps_.next();
  }

  /** Ends the work. */
  return(): Promise<IteratorResult<PipelineStep, void>> {
    return this.steps_.return();
  }

  /** Itself, for `for await`. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The steps behind step `from` are computed, those up to it remembered. A run that was over tells its last step again. */
  private async *draw(from: number): AsyncGenerator<PipelineStep, void, void> {
    const { studio_: studio, resolved_: request } = this;
    for await (const event of drawLatents(studio, request, () => this.direction_, this.memory_)) {
      if (event.step <= from && event.step < event.steps) continue;
      this.step_ = event.step;
      const drawn = { ...request, steered: this.direction_.steered }; // what changes from here on is not in this step
      if (event.step > from) {
        const answer = await answered(request.onStep?.(event), endsOf(studio, request));
        this.direction_ = steered(this.direction_, answer);
      }
      const { shape } = event;
      const latents = event.step === event.steps ? event.latents : event.denoised;
      const decode = () => decodeImages(studio, drawn, { latents, shape });
      yield { ...event, decode, preview: () => this.preview(event, drawn) };
    }
  }

  /** By the tiny VAE that was given for it, or by a linear map where the latents are known, or by the VAE in use. */
  private async preview({ denoised: latents, shape }: StepEvent, drawn: ResolvedRequest): Promise<Image[]> {
    const { preview, info } = this.studio_;
    if (!preview && !info.vae?.tiny && hasLinearPreview(info)) return linearPreview({ latents, shape });
    return decodeImages({ ...this.studio_, ...(preview && { vae: preview }) }, drawn, { latents, shape });
  }
}

/** Throws `FILE_INVALID` for bytes that are no saved run, and `INVALID_REQUEST` for one of another model or without its functions. */
export function readRun(bytes: Uint8Array, info: ModelInfo, options: ResumeOptions): SavedRun {
  checkNames(options, [...givenAgain, 'refiner', 'signal', 'onStep']);
  if (!(bytes instanceof Uint8Array)) refuse('saved', 'the bytes of a saved run', bytes);
  const saved = unpack(bytes) as Saved;
  if (saved?.format !== format) {
    throw new DiffusionError('FILE_INVALID', `saved: expected '${format}', got ${JSON.stringify(saved?.format)}`);
  }
  if (!isWhole(saved)) throw new DiffusionError('FILE_INVALID', 'saved: parts of the run are missing or damaged');
  if (saved.model !== fingerprint(info)) refuse('saved', `a run of this model (${fingerprint(info)})`, saved.model);
  for (const name of saved.functions) {
    if (options[name] === undefined) refuse(name, `${unsavedThings[name]} not saved with it`, undefined);
  }
  const refiner = studioOf(options.refiner?.pipeline);
  const given = refiner && fingerprint(refiner.model.info);
  if (given !== saved.refiner) refuse('refiner', `that of the saved run (${saved.refiner ?? 'none'})`, given);
  const { prompts, negativePrompts, steered, ...rest } = saved.direction;
  const direction = parseDirection({ prompt: prompts, negativePrompt: negativePrompts, ...rest });
  return {
    request: restored(saved.request),
    direction: steered === true ? { ...direction, steered } : direction,
    step: saved.step,
    answers: saved.answers,
  };
}

/** Whether all parts are there; what the request and the direction say is checked where they are parsed. */
function isWhole({
  model,
  functions,
  request,
  direction,
  step,
  answers,
}: Partial<Record<keyof Saved, unknown>>): boolean {
  const isObject = (value: unknown) => typeof value === 'object' && value !== null;
  const isAnswer = (value: unknown) =>
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= 2 &&
    value.every((part) => part instanceof Float32Array);
  return (
    typeof model === 'string' &&
    Array.isArray(functions) &&
    functions.every((name) => givenAgain.includes(name)) &&
    isObject(request) &&
    ['image', 'mask'].every((name) => isObject((request as Record<string, unknown>)[name] ?? {})) &&
    isObject(direction) &&
    Number.isInteger(step) &&
    Array.isArray(answers) &&
    answers.every(isAnswer)
  );
}

/** What two models must have in common for one to go on where the other was left. */
function fingerprint({ family, parameters, weightBytes, precision, device, prediction }: ModelInfo): string {
  const { type, zeroTerminalSnr, flowShift } = prediction;
  const levels = `${zeroTerminalSnr ? ' to pure noise' : ''}${flowShift === undefined ? '' : ` shifted by ${flowShift}`}`;
  const place = device === 'cpu' ? '' : ` on ${device}`;
  return `${family}, ${parameters} parameters in ${weightBytes} bytes, ${precision}${place}, predicting ${type}${levels}`;
}

/** What cannot be saved: functions, and what has loaded networks in it. */
function isGivenAgain(name: string, value: unknown): boolean {
  if (typeof value === 'function' || value instanceof Vae) return true;
  if (name === 'adapters') return value !== undefined;
  if (name === 'control') return (value as readonly unknown[] | undefined)?.length !== 0 && value !== undefined;
  return name === 'hires' && (value as HiresOptions | undefined)?.upscaler instanceof Upscaler;
}

/** An option as it is saved, or none. */
function saveable([name, value]: [string, unknown]): [string, unknown][] {
  if (name === 'signal' || name === 'refiner' || value === undefined || isGivenAgain(name, value)) return [];
  if (value instanceof Image) return [[name, { width: value.width, height: value.height, data: value.data }]];
  return [[name, value]];
}

function restored(request: object): AnyRequest {
  const toImage = ({ width, height, data }: Image) => new Image(width, height, data);
  const entries = Object.entries(request).map(([name, value]) => [
    name,
    (name === 'image' || name === 'mask') && value ? toImage(value) : value,
  ]);
  return Object.fromEntries(entries) as AnyRequest;
}
