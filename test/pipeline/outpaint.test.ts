import t from 'tap';
import { Image } from '../../lib/image/image';
import { extendCanvas } from '../../lib/pipeline/outpaint';

const greys = (image: Image) => Array.from({ length: image.data.length / 3 }, (_, i) => image.data[3 * i]);
const grey = (width: number, height: number, values: number[]) =>
  new Image(width, height, Uint8Array.from(values.flatMap((value) => [value, value, value])));

t.test('the edges are drawn out, and what is new or near it is white in the mask', async (t) => {
  const picture = grey(3, 2, [1, 2, 3, 4, 5, 6]);
  const sides = { left: 0, right: 2, top: 1, bottom: 0, overlap: 0 };
  const { image, mask } = extendCanvas(picture, sides);
  t.match(image, { width: 5, height: 3 });
  t.strictSame(greys(image), [1, 2, 3, 3, 3, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6]);
  t.strictSame(greys(mask), [255, 255, 255, 255, 255, 0, 0, 0, 255, 255, 0, 0, 0, 255, 255]);
  const overlapping = extendCanvas(picture, { ...sides, overlap: 1 }).mask;
  t.strictSame(greys(overlapping), [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 255, 255, 255]);
});
