/** The public exports of node-diffusion. */
export { DiffusionError, type ErrorCode, errorCodes } from './errors';
export { Image } from './image/image';
export { formatInfotext, type GenerationFacts, parseInfotext } from './image/infotext';
export { type Device, listDevices } from './model/devices';
export { inspectModel } from './model/inspect';
export {
  type Context,
  Model,
  type ModelInfo,
  type ModelOptions,
  type ModelStats,
  type PlanesShape,
} from './model/model';
export { createDenoiser, type DenoiserOptions, type Prediction } from './pipeline/denoiser';
export { classifierFreeGuidance } from './pipeline/guidance';
export {
  embeddedModelPath,
  Pipeline,
  type PipelineOptions,
  type PipelineStep,
  type Txt2ImgResult,
} from './pipeline/pipeline';
export type { StepEvent, Txt2ImgRequest } from './pipeline/request';
export { ClipTokenizer, type EncodedPrompt } from './prompt/clip-tokenizer';
export { loadClipVocabulary, type Vocabulary, vocabularyFromMerges } from './prompt/vocabulary';
export { batchNoise, type NoiseSource, philoxNoise, type Seed, torchNoise } from './sampling/noise';
export { ddim, dpmpp2m, euler, eulerAncestral, lcm, type SamplerName, samplers } from './sampling/samplers/index';
export {
  createNoiseModel,
  discreteSchedule,
  karrasSchedule,
  lcmSchedule,
  leadingSchedule,
  type NoiseModel,
  type Schedule,
  type ScheduleName,
  schedules,
  trailingSchedule,
} from './sampling/schedules';
export type { Denoise, Sampler, SamplerOptions, SamplerStep } from './sampling/types';
