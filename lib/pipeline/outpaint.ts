/** A larger canvas for a picture, and the mask of what is new on it. */
import { Image } from '../image/image';

/** Pixels to add at each side. */
export interface Margins {
  /** Default 0, as of the other sides. */
  left?: number;
  right?: number;
  top?: number;
  bottom?: number;
  /** Pixels of the picture beside a new edge that are repainted with it, so that no seam stays. Default 8. */
  overlap?: number;
}

/** The picture with its edges drawn out to the new ones: what is new begins with the colours beside it. White in the mask is new. */
export function extendCanvas(image: Image, margins: Required<Margins>): { image: Image; mask: Image } {
  const { left, right, top, bottom, overlap } = margins;
  const [width, height] = [image.width + left + right, image.height + top + bottom];
  const data = new Uint8Array(width * height * 3);
  const mask = new Uint8Array(width * height * 3);
  const hold = (at: number, length: number) => Math.min(Math.max(at, 0), length - 1);
  // What stays: the picture without its overlaps, which it has at extended sides only.
  const keeps = (at: number, before: number, length: number, after: number) =>
    at >= before + (before > 0 ? overlap : 0) && at < before + length - (after > 0 ? overlap : 0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 3 * (hold(y - top, image.height) * image.width + hold(x - left, image.width));
      const to = 3 * (y * width + x);
      data.set(image.data.subarray(from, from + 3), to);
      const isKept = keeps(x, left, image.width, right) && keeps(y, top, image.height, bottom);
      if (!isKept) mask.fill(255, to, to + 3);
    }
  }
  return { image: new Image(width, height, data), mask: new Image(width, height, mask) };
}
