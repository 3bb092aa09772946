/** LoRAs with weights, as a model takes them. */
import type { NativeAdapterReport as AdapterReport, NativeAdapterSet, NativeLora } from '../binding/types';
import type { Lora } from './lora';

export type { AdapterReport };

/** A LoRA and how strongly it acts. */
export interface AdapterUse {
  /** Shared by any number of uses. */
  lora: Lora;
  /** 1 as it was trained, 0 not at all; may be negative. Default 1. */
  weight?: number;
  /** In the text encoder. Default: `weight`. */
  textEncoderWeight?: number;
}

/** LoRAs bound to a model, by {@link Model.createAdapters}. Two of equal names change it equally. */
export class AdapterSet {
  /** What it makes of the UNet. */
  readonly name: string;
  /** What it makes of the text encoder; empty where it leaves it as it is. */
  readonly textName: string;
  /** In the order of the LoRAs. */
  readonly reports: readonly AdapterReport[];

  /** @internal */
  constructor(
    /** @internal */
    readonly native: NativeAdapterSet,
    uses: readonly AdapterUse[],
  ) {
    this.reports = native.reports;
    const all = uses.map(withDefaults);
    this.name = all.map(({ lora, weight }) => `${lora.id}:${weight}`).join();
    const ofText = all.filter(({ textEncoderWeight }, i) => {
      return textEncoderWeight !== 0 && this.reports[i].textEncoderLayers > 0;
    });
    this.textName = ofText.map(({ lora, textEncoderWeight }) => `${lora.id}:${textEncoderWeight}`).join();
  }
}

export function withDefaults({ lora, weight = 1, textEncoderWeight = weight }: AdapterUse): Required<AdapterUse> {
  return { lora, weight, textEncoderWeight };
}

/** The same with the LoRA as the model's process has it. */
export function nativeUse(use: AdapterUse, lora: NativeLora) {
  const { weight, textEncoderWeight } = withDefaults(use);
  return { lora, unetWeight: weight, textEncoderWeight };
}
