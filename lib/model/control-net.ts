/** A ControlNet (arXiv 2302.05543): a network beside the UNet that holds it to a picture, shared by any number of pipelines. */
import path from 'node:path';
import type { Model, ModelInfo, ModelOptions } from './model';
import { loadPart } from './part';

/** As of {@link Model.load}; it runs in this process: its maps go to the UNet without a copy. */
export type ControlNetOptions = Omit<ModelOptions, 'isolate' | 'prediction' | 'zeroTerminalSnr' | 'flowShift'>;

/** A loaded ControlNet. Pipelines whose requests name it do not own it: dispose of it when none of them needs it any more. */
export class ControlNet {
  private constructor(
    /** Its networks. */
    readonly model: Model,
    /** Of its file, without an ending; it goes into the pictures' parameters. */
    readonly name: string,
  ) {}

  /**
   * Loads a ControlNet: a file in lllyasviel's names (`control_model.`) or diffusers', or its folder.
   *
   * @throws what {@link Model.load} throws; MISSING_COMPONENT if the file is something else
   */
  static async load(file: string, options: ControlNetOptions = {}): Promise<ControlNet> {
    const model = await loadPart(file, { ...options, isolate: false }, 'controlNet', 'a ControlNet');
    return new ControlNet(model, path.basename(file, path.extname(file)));
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
