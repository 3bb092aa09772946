/** Every error that node-diffusion throws on purpose: one table of codes, one class. */

/** What each code means. The native engine uses the same codes; a test holds the two together. */
export const errorCodes = {
  ABORTED: 'the AbortSignal of the call was aborted',
  ADDON_NOT_FOUND: 'a native addon (our own, or sharp for pictures) is neither built nor shipped for this platform',
  COMPUTE_FAILED: 'the engine could not finish a computation',
  DEVICE_UNAVAILABLE: 'a device is not in this build of the addon, not in this machine, or fails',
  DISPOSED: 'the model was disposed of before or during the call',
  ENGINE_CRASHED: 'the process of an isolated engine ended while it worked; the next call has a new one',
  FILE_INVALID: 'a file is damaged, truncated or not of the format that it claims',
  FILE_NOT_FOUND: 'a path does not exist or cannot be read',
  FILE_NOT_WRITABLE: 'a file could not be written',
  INVALID_ARGUMENT: 'an argument has the wrong type, shape or value',
  INVALID_IMAGE: 'an image is damaged, or of a kind that is not supported',
  INVALID_REQUEST: 'an option of a request has the wrong type or value',
  INVALID_VOCABULARY: 'a tokenizer vocabulary is malformed',
  MISSING_COMPONENT: 'the model file lacks a part that the call needs',
  MISSING_TENSOR: 'the model file lacks a tensor that its architecture needs',
  OUT_OF_MEMORY: 'memory could not be allocated',
  TENSOR_SHAPE: 'a tensor has another shape than its architecture needs',
  UNKNOWN_ARCHITECTURE: 'the tensors are of no architecture that this engine knows',
  UNKNOWN_SAMPLER: 'no sampler has that name',
  UNKNOWN_SCHEDULE: 'no schedule has that name',
  UNSUPPORTED_TYPE: 'a tensor is stored in a number format that the engine cannot read',
} as const;

/** What {@link DiffusionError.code} may be. */
export type ErrorCode = keyof typeof errorCodes;

/** An error with a code from {@link errorCodes}; the message says what was expected and what came. */
export class DiffusionError extends Error {
  /** `AbortError` where the code is `ABORTED`, as of the platform's own abortable functions; else `DiffusionError`. */
  override readonly name: string = 'DiffusionError';
  /** Which of the reasons in {@link errorCodes} it is. */
  readonly code: ErrorCode;

  /** The package makes these itself; a sampler or schedule of your own may throw them too. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    if (code === 'ABORTED') this.name = 'AbortError';
  }
}

/** A process warning, for what went otherwise than asked and yet went on. */
export function warn(code: 'ND_DEVICE_PACKAGE' | 'ND_ON_THE_CPU' | 'ND_VAE_IN_F32', message: string): void {
  process.emitWarning(message, { type: 'NodeDiffusionWarning', code });
}
