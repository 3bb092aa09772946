/** A ControlNet (arXiv 2302.05543): a network beside the UNet that holds it to a picture, shared by any number of pipelines. */
import type { Model, ModelInfo, ModelOptions } from './model';
import { loadPart } from './part';

/** As of {@link Model.load}; it runs in this process: its maps go to the UNet without a copy. */
export type ControlNetOptions = Omit<ModelOptions, 'isolate' | 'prediction' | 'zeroTerminalSnr' | 'flowShift'>;

/** A loaded ControlNet. Pipelines whose requests name it do not own it: dispose of it when none of them needs it any more. */
export class ControlNet {
  private constructor(
    /** Its networks. */
    readonly model: Model,
  ) {}

  /**
   * Loads a ControlNet: a file in lllyasviel's names (`control_model.`) or diffusers', or its folder.
   *
   * @throws what {@link Model.load} throws; MISSING_COMPONENT if the file is something else
   */
  static async load(path: string, options: ControlNetOptions = {}): Promise<ControlNet> {
    return new ControlNet(await loadPart(path, { ...options, isolate: false }, 'controlNet', 'a ControlNet'));
  }

  /** What the file is; `info.controlNet` is there. */
  get info(): ModelInfo {
    return this.model.info;
  }

  /** Frees the weights. Requests that use it reject with `DISPOSED`. Harmless when repeated. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  /** As `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
