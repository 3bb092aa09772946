/** The public exports of node-diffusion. */
export { DiffusionError, type ErrorCode, errorCodes } from './errors';
export type { ImageFormat, ResizeOptions } from './image/codec';
export { fromA1111 } from './image/from-a1111';
export { fromDiffusers } from './image/from-diffusers';
export { Image, type OpenOptions, type SaveOptions } from './image/image';
export { formatInfotext, type GenerationFacts, type RngName } from './image/infotext';
export { type ParsedInfotext, parseInfotext, parseParameters, type RequestOptions } from './image/parse-infotext';
export type { Translated } from './image/translation';
export type { AdapterReport, AdapterSet, AdapterUse } from './model/adapters';
export { ControlNet, type ControlNetOptions } from './model/control-net';
export { type ConversionResult, type ConversionRule, type ConvertOptions, convertModel } from './model/convert';
export { type CpuDevice, type Device, type DeviceName, listDevices } from './model/devices';
export { estimateMemory, type MemoryEstimate, type MemoryOptions } from './model/estimate-memory';
export { inspectModel } from './model/inspect';
export { Lora, type LoraInfo } from './model/lora';
export {
  type Addition,
  type Context,
  type EncodedText,
  type Hint,
  Model,
  type ModelInfo,
  type ModelOptions,
  type ModelStats,
  type Operations,
  type PartOptions,
  type Perturbation,
  type PlanesShape,
  type PredictOptions,
  type Residuals,
  type TextChanges,
  type TextEncoderInfo,
} from './model/model';
export type { Prediction, PredictionInfo, PredictionOptions } from './model/prediction';
export { TextualInversion, type WordVectors } from './model/textual-inversion';
export { type LatentCodec, Vae, type VaeOptions } from './model/vae';
export type { ControlMode, ControlOptions } from './pipeline/control';
export {
  createDenoiser,
  createPairDenoiser,
  type DenoisedNetwork,
  type DenoiserOptions,
  type PairDenoiserOptions,
  type PredictNoise,
  type PredictPair,
} from './pipeline/denoiser';
export type { Changes } from './pipeline/direction';
export {
  classifierFreeGuidance,
  composedGuidance,
  perturbedGuidance,
  rescaledGuidance,
  type WeightedPrediction,
} from './pipeline/guidance';
export type { Img2ImgRequest, InpaintRequest, OutpaintRequest } from './pipeline/image-request';
export { embeddedModelPath, type GenerationResult, Pipeline, type PipelineOptions } from './pipeline/pipeline';
export type { RefinerOptions } from './pipeline/refiner';
export type { HiresOptions, TextRequest, Txt2ImgRequest } from './pipeline/request';
export { type AnyRequest, type ResumeOptions, Run } from './pipeline/run';
export type { OnStep, PipelineStep, SamplingRequest, StepEvent } from './pipeline/sampling-request';
export type { PixelSize, SizeRequest } from './pipeline/size-conditioning';
export {
  embeddedDdpmPath,
  UnconditionalPipeline,
  type UnconditionalRequest,
  type UnconditionalResult,
} from './pipeline/unconditional';
export { type UpscaleOptions, Upscaler, type UpscalerOptions } from './pipeline/upscaler';
export type { StageHashes } from './pipeline/witness';
export { ClipTokenizer, type ClipTokenizerOptions, type EncodedPrompt } from './prompt/clip-tokenizer';
export { loadClipVocabulary, type Merge, type Vocabulary, vocabularyFromMerges } from './prompt/vocabulary';
export { batchNoise, type NoiseSource, philoxNoise, type Seed, torchNoise } from './sampling/noise';
export * from './sampling/samplers/index';
export {
  aysSd15Schedule,
  aysSdxlSchedule,
  type BetaSchedule,
  betaSchedule,
  betaWith,
  createFlowNoiseModel,
  createNoiseModel,
  ddimUniformSchedule,
  discreteSchedule,
  exponentialSchedule,
  type FlowNoiseModelOptions,
  karrasSchedule,
  karrasWith,
  klOptimalSchedule,
  lcmSchedule,
  leadingSchedule,
  linearQuadraticSchedule,
  linspaceSchedule,
  type NoiseModel,
  type NoiseModelOptions,
  type OwnSchedule,
  polyexponentialWith,
  type Schedule,
  type ScheduleName,
  schedules,
  sgmUniformSchedule,
  simpleSchedule,
  timestepSchedule,
  trailingSchedule,
} from './sampling/schedules';
export type { Denoise, DenoisedPair, DenoisePair, Sampler, SamplerOptions, SamplerStep } from './sampling/types';
