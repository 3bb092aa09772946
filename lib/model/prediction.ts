/** What a network predicts, and over which noise levels: the file's word, or the user's over it. */
import type { NativeModelInfo } from '../binding/types';
import { DiffusionError } from '../errors';

/** What a model file tells of its network's prediction. */
export type PredictionInfo = NativeModelInfo['prediction'];

/**
 * What a network was trained to predict: the noise, the velocity (arXiv 2202.00512), the noise-free latents, or the
 * flow from them to the noise (arXiv 2209.03003).
 */
export type Prediction = 'epsilon' | 'v_prediction' | 'x0' | 'flow';

/** For files that do not say what their network predicts, or say it wrongly. */
export interface PredictionOptions {
  /** What the network predicts. Default: what the file tells. */
  prediction?: Prediction;
  /** Whether it was trained on levels that end in pure noise (arXiv 2305.08891). Default: what the file tells. */
  zeroTerminalSnr?: boolean;
  /** How much a flow's levels are moved up, 1 for none (arXiv 2403.03206). Default: what the file tells. */
  flowShift?: number;
}

const predictions: readonly Prediction[] = ['epsilon', 'v_prediction', 'x0', 'flow'];

/** Throws `INVALID_ARGUMENT` with the option, what was expected and what came. */
export function checkPredictionOptions({ prediction, zeroTerminalSnr, flowShift }: PredictionOptions): void {
  if (prediction !== undefined && !predictions.includes(prediction)) {
    refuse('prediction', `one of ${predictions.join(', ')}`, prediction);
  }
  if (zeroTerminalSnr !== undefined && typeof zeroTerminalSnr !== 'boolean') {
    refuse('zeroTerminalSnr', 'true or false', zeroTerminalSnr);
  }
  if (flowShift !== undefined && !(Number.isFinite(flowShift) && flowShift > 0)) {
    refuse('flowShift', 'a finite number above 0', flowShift);
  }
}

/** The file's word with the user's over it. Throws `INVALID_ARGUMENT` where the user's does not fit what is predicted. */
export function chosenPrediction(found: PredictionInfo, options: PredictionOptions): PredictionInfo {
  const { flowShift: foundShift, ...rest } = found;
  const { prediction: type = found.type, flowShift = foundShift ?? 1, zeroTerminalSnr } = options;
  if (type === 'flow') {
    if (zeroTerminalSnr) refuse('zeroTerminalSnr', 'false for a flow, whose levels end in pure noise anyway', true);
    return { ...rest, type, zeroTerminalSnr: false, flowShift };
  }
  if (options.flowShift !== undefined) refuse('flowShift', `none, since the network predicts ${type}`, flowShift);
  return { ...rest, type, zeroTerminalSnr: zeroTerminalSnr ?? found.zeroTerminalSnr };
}

function refuse(name: string, expected: string, got: unknown): never {
  const shown = typeof got === 'string' ? `'${got}'` : typeof got === 'object' ? 'an object' : String(got);
  throw new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${shown}`);
}
