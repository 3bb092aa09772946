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

/**
 * The picture with its edges drawn out to the new ones: what is new begins with the colours beside it. White in the mask is new. For
 * {@link inSlices}.
 */
export function* extendCanvas(
  image: Image,
  margins: Required<Margins>,
): Generator<void, { image: Image; mask: Image }, void> {
  const { left, right, top, bottom, overlap } = margins;
  const [width, height] = [image.width + left + right, image.height + top + bottom];
  const data = new Uint8Array(width * height * 3);
  const mask = new Uint8Array(width * height * 3).fill(255);
  // What stays: the picture without its overlaps, which it has at extended sides only.
  const kept = (before: number, length: number, after: number) =>
    [before + (before > 0 ? overlap : 0), before + length - (after > 0 ? overlap : 0)] as const;
  const [fromX, toX] = kept(left, image.width, right);
  const [fromY, toY] = kept(top, image.height, bottom);
  for (let y = 0; y < height; y++) {
    yield;
    const line = Math.min(Math.max(y - top, 0), image.height - 1);
    const colours = image.data.subarray(3 * line * image.width, 3 * (line + 1) * image.width);
    const row = data.subarray(3 * y * width, 3 * (y + 1) * width);
    row.set(colours, 3 * left);
    for (let x = 0; x < left; x++) row.set(colours.subarray(0, 3), 3 * x);
    for (let x = width - right; x < width; x++) row.set(colours.subarray(-3), 3 * x);
    if (y >= fromY && y < toY && fromX < toX) mask.fill(0, 3 * (y * width + fromX), 3 * (y * width + toX));
  }
  return { image: new Image(width, height, data), mask: new Image(width, height, mask) };
}
