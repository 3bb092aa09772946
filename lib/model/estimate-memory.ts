/** What a model would need of memory for a request, told from its headers. */
import { availableParallelism } from 'node:os';
import { loadAddon } from '../binding/load';
import { DiffusionError } from '../errors';
import { checkPath } from '../files';
import { callNative } from './cancellation';
import { inspectModel } from './inspect';

/** The request that {@link estimateMemory} plans for. */
export interface MemoryOptions {
  /** Of the pictures, or for an unconditional model of its own pixels. Default: the size that the model was trained on, or 512. */
  width?: number;
  /** As `width`. */
  height?: number;
  /** Pictures at a time. Default 1. */
  batchSize?: number;
  /** `txt2img`, or one that starts from a picture and so needs the VAE's encoder too. Default `txt2img`. */
  task?: 'txt2img' | 'img2img' | 'inpaint';
  /** As the model will be loaded. Default `auto`. */
  precision?: string;
  /** As the model will be loaded. Default none: pictures are decoded in tiles from 1 GiB on. */
  memoryBudgetBytes?: number;
  /** As the model will be loaded. Default: as many as the machine runs at once. */
  threads?: number;
  /** Whether a negative prompt is computed beside the prompt, as with a `cfgScale` above 1. Default true. */
  guidance?: boolean;
  /** Windows of 75 tokens that the prompt takes, 1 to 16. Default 1. */
  promptWindows?: number;
}

/** What a request takes of memory, all in bytes. */
export interface MemoryEstimate {
  /** The weights as they are loaded, packed for the CPU's products: exact. */
  weightBytes: number;
  /** The compute buffer, which the stages share: exact. */
  computeBytes: number;
  /** Inputs of the graphs, pictures, threads and the process itself: estimated. */
  otherBytes: number;
  /** What the process holds at most, once it has drawn. */
  totalBytes: number;
  /** What each stage needs of the compute buffer. */
  stages: { encodeText: number; createContext: number; predictNoise: number; decode: number; encode: number };
}

/** Measured on Node 20 and 22 with the addon and a tokenizer loaded. */
const processBytes = 62e6;
/** Scratch memory of the kernels, measured. */
const threadBytes = 4e6;
/** Of the file that stay mapped while it is read, at most (weight_store.cc). */
const mappedBytes = 64 * 2 ** 20;

/**
 * Tells what the process will hold at most for a request, without loading weights: the graphs of its stages are planned, as the engine would
 * do, and their buffers not allocated. LoRA, ControlNet, other requests at the same time and your own program come on top.
 *
 * @throws INVALID_ARGUMENT; what {@link inspectModel} throws
 */
export async function estimateMemory(path: string, options: MemoryOptions = {}): Promise<MemoryEstimate> {
  checkPath(path);
  const { pictureSize: side = 512 } = await inspectModel(path);
  const { width = side, height = side, batchSize = 1, task = 'txt2img', guidance = true, promptWindows = 1 } = options;
  const { precision = 'auto', memoryBudgetBytes, threads = availableParallelism() } = options;
  const numbers = { width, height, batchSize, promptWindows, memoryBudgetBytes: memoryBudgetBytes ?? 0, threads };
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value)) throw invalid(name, 'an integer', value);
  }
  if (typeof precision !== 'string') throw invalid('precision', 'a string', precision);
  if (!['txt2img', 'img2img', 'inpaint'].includes(task)) throw invalid('task', 'txt2img, img2img or inpaint', task);
  if (typeof guidance !== 'boolean') throw invalid('guidance', 'true or false', guidance);
  const request = { width, height, batchSize, rows: guidance ? 2 : 1, windows: promptWindows };
  const use = await callNative(undefined, () =>
    loadAddon().measure(
      path,
      { precision, threads, memoryBudgetBytes: memoryBudgetBytes ?? null },
      { ...request, encodesPictures: task !== 'txt2img' },
    ),
  );
  const { weights, compute, inputs, ...stages } = use;
  // f32 planes: of all pictures on both sides of the border, while they grow, and of the one that is decoded.
  const pictureBytes = 12 * width * height * (3.25 * batchSize + 3);
  const working = compute + inputs + pictureBytes + threads * threadBytes;
  const otherBytes = Math.round(processBytes + Math.max(working, Math.min(mappedBytes, weights)) - compute);
  return {
    ...{ weightBytes: weights, computeBytes: compute, otherBytes },
    totalBytes: weights + compute + otherBytes,
    stages,
  };
}

function invalid(name: string, expected: string, got: unknown): DiffusionError {
  const shown = typeof got === 'number' || typeof got === 'string' ? JSON.stringify(got) : typeof got;
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${shown}`);
}
