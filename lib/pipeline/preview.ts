/** A quick look at latents: a linear map to colours, without the VAE. */
import { Image } from '../image/image';
import type { ModelInfo } from '../model/model';
import type { Latents } from './generate';
import { toRgb8 } from './pictures';
import { atOnce } from './slices';

/**
 * Red, green and blue of each latent channel, for the VAE that Stable Diffusion 1 and 2 share: K. Turner (keturn), "Decoding
 * latents to RGB without upscaling", Hugging Face forum, 2022.
 */
const factors = [
  [0.298, 0.207, 0.208],
  [0.187, 0.286, 0.173],
  [-0.158, 0.189, 0.264],
  [-0.184, -0.271, -0.473],
];

/** Whether {@link linearPreview} knows the model's latents. */
export function hasLinearPreview({ family, vae }: Pick<ModelInfo, 'family' | 'vae'>): boolean {
  return (family === 'sd1' || family === 'sd2') && vae?.latentChannels === factors.length;
}

/** f32 `[n, 4, h, w]` -> n pictures of `w` x `h` pixels. */
export function linearPreview({ latents, shape }: Latents): Image[] {
  const [count, channels, height, width] = shape;
  const plane = height * width;
  return Array.from({ length: count }, (_, n) => {
    const planes = new Float32Array(3 * plane);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++) {
        const value = latents[(n * channels + c) * plane + i];
        for (let rgb = 0; rgb < 3; rgb++) planes[rgb * plane + i] += factors[c][rgb] * value;
      }
    }
    return new Image(width, height, atOnce(toRgb8(planes, plane)));
  });
}
