/** PNG's five row filters, both ways: each predicts a byte from its neighbours and keeps the difference. */

import { DiffusionError } from '../errors';

/** By filter number: the prediction from the bytes to the left, above, and above the left one. */
const predictors: readonly ((left: number, up: number, upLeft: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => (left + up) >> 1,
  paeth,
];

/** The neighbour that lies nearest to left + up - upLeft (A. W. Paeth, "Image file compression made easy", 1991). */
function paeth(left: number, up: number, upLeft: number): number {
  const toLeft = Math.abs(up - upLeft);
  const toUp = Math.abs(left - upLeft);
  const toUpLeft = Math.abs(left + up - 2 * upLeft);
  if (toLeft <= toUp && toLeft <= toUpLeft) return left;
  return toUp <= toUpLeft ? up : upLeft;
}

/**
 * Filters `[height, rowBytes]` into `[height, 1 + rowBytes]`, where each row begins with its filter's number. A row
 * takes the filter with the least sum of absolute differences, which is the choice that the PNG standard suggests.
 *
 * @param pixelBytes the distance to the byte "to the left"
 */
export function filterRows(data: Uint8Array, rowBytes: number, height: number, pixelBytes: number): Uint8Array {
  const filtered = new Uint8Array((rowBytes + 1) * height);
  const differences = new Uint8Array(rowBytes);
  let above: Uint8Array = new Uint8Array(rowBytes);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * rowBytes, (y + 1) * rowBytes);
    const start = y * (rowBytes + 1);
    let least = Number.POSITIVE_INFINITY;
    for (const [filter, predict] of predictors.entries()) {
      let sum = 0;
      for (let i = 0; i < rowBytes; i++) {
        const left = i < pixelBytes ? 0 : row[i - pixelBytes];
        const upLeft = i < pixelBytes ? 0 : above[i - pixelBytes];
        const difference = (row[i] - predict(left, above[i], upLeft)) & 0xff;
        differences[i] = difference;
        sum += difference < 128 ? difference : 256 - difference;
      }
      if (sum >= least) continue;
      least = sum;
      filtered[start] = filter;
      filtered.set(differences, start + 1);
    }
    above = row;
  }
  return filtered;
}

/**
 * Undoes {@link filterRows}, whatever filters the rows name.
 *
 * @throws INVALID_IMAGE if a row names a filter that does not exist
 */
export function unfilterRows(filtered: Uint8Array, rowBytes: number, height: number, pixelBytes: number): Uint8Array {
  const data = new Uint8Array(rowBytes * height);
  let above: Uint8Array = new Uint8Array(rowBytes);
  for (let y = 0; y < height; y++) {
    const start = y * (rowBytes + 1);
    const predict = predictors[filtered[start]];
    if (!predict) {
      throw new DiffusionError('INVALID_IMAGE', `PNG row ${y}: expected a filter from 0 to 4, got ${filtered[start]}`);
    }
    const row = data.subarray(y * rowBytes, (y + 1) * rowBytes);
    for (let i = 0; i < rowBytes; i++) {
      const left = i < pixelBytes ? 0 : row[i - pixelBytes];
      const upLeft = i < pixelBytes ? 0 : above[i - pixelBytes];
      row[i] = filtered[start + 1 + i] + predict(left, above[i], upLeft);
    }
    above = row;
  }
  return data;
}
