import t from 'tap';
import { Image } from '../../lib/image/image';
import { extendCanvas } from '../../lib/pipeline/outpaint';
import { atOnce } from '../../lib/pipeline/slices';

const greys = (image: Image) => Array.from({ length: image.data.length / 3 }, (_, i) => image.data[3 * i]);
const grey = (width: number, height: number, values: number[]) =>
  new Image(width, height, Uint8Array.from(values.flatMap((value) => [value, value, value])));

t.test('the edges are drawn out, and what is new or near it is white in the mask', async (t) => {
  const picture = grey(3, 2, [1, 2, 3, 4, 5, 6]);
  const sides = { left: 0, right: 2, top: 1, bottom: 0, overlap: 0 };
  const { image, mask } = atOnce(extendCanvas(picture, sides));
  t.match(image, { width: 5, height: 3 });
  t.strictSame(greys(image), [1, 2, 3, 3, 3, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6]);
  t.strictSame(greys(mask), [255, 255, 255, 255, 255, 0, 0, 0, 255, 255, 0, 0, 0, 255, 255]);
  const overlapping = atOnce(extendCanvas(picture, { ...sides, overlap: 1 })).mask;
  t.strictSame(greys(overlapping), [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 255, 255, 255]);
  const other = atOnce(extendCanvas(picture, { left: 1, right: 0, top: 0, bottom: 1, overlap: 0 }));
  t.strictSame(greys(other.image), [1, 1, 2, 3, 4, 4, 5, 6, 4, 4, 5, 6]);
  t.strictSame(greys(other.mask), [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
  const covered = atOnce(extendCanvas(picture, { left: 1, right: 1, top: 0, bottom: 0, overlap: 2 })).mask;
  t.ok(
    greys(covered).every((value) => value === 255),
    'overlaps wider than the picture leave nothing',
  );
});
