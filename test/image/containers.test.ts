import fc from 'fast-check';
import sharp from 'sharp';
import t from 'tap';
import { exifOfJpeg, exifOfWebp, jpegWithExif, webpWithExif } from '../../lib/image/containers';
import { writeUserComment } from '../../lib/image/exif';

const pixels = sharp({ create: { width: 5, height: 3, channels: 3, background: '#336699' } });
const exif = writeUserComment('an odd number of bytes, or even');
const odd = Buffer.concat([exif, Buffer.from([0])]);

t.test('sharp finds in a JPEG what was put in, and the same pixels', async (t) => {
  const file = await pixels.clone().jpeg().toBuffer();
  const written = jpegWithExif(file, exif);
  t.equal(exifOfJpeg(file), undefined);
  t.ok(exifOfJpeg(written)?.equals(exif));
  t.strictSame((await sharp(written).metadata()).exif?.subarray(6), exif);
  t.strictSame(await sharp(written).raw().toBuffer(), await sharp(file).raw().toBuffer());
  t.throws(() => jpegWithExif(file, Buffer.alloc(65528)), {
    code: 'INVALID_ARGUMENT',
    message: /JPEG can hold, got 65536/,
  });
  t.equal(exifOfJpeg(jpegWithExif(file, Buffer.alloc(65527)))?.length, 65527, 'as much as fits');
});

t.test('sharp finds in a WebP what was put in, and the same pixels', async (t) => {
  for (const lossless of [false, true]) {
    const file = await pixels.clone().webp({ lossless }).toBuffer();
    for (const block of [exif, odd]) {
      const written = webpWithExif(file, block, 5, 3);
      t.equal(exifOfWebp(file), undefined);
      t.ok(exifOfWebp(written)?.equals(block));
      const metadata = await sharp(written).metadata();
      t.match(metadata, { width: 5, height: 3, format: 'webp' });
      t.ok(metadata.exif?.includes(block));
      t.strictSame(await sharp(written).raw().toBuffer(), await sharp(file).raw().toBuffer());
    }
  }
});

t.test('a block that is named as in JPEG is found in WebP', async (t) => {
  const file = await pixels.clone().webp().toBuffer();
  const named = webpWithExif(file, Buffer.concat([Buffer.from('Exif\0\0'), exif]), 5, 3);
  t.ok(exifOfWebp(named)?.equals(exif));
});

t.test('any bytes can be searched', async (t) => {
  const files = [
    jpegWithExif(await pixels.clone().jpeg().toBuffer(), exif),
    webpWithExif(await pixels.clone().webp().toBuffer(), exif, 5, 3),
  ];
  for (const file of files) {
    for (let cut = 0; cut < file.length; cut++) {
      exifOfJpeg(file.subarray(0, cut));
      exifOfWebp(file.subarray(0, cut));
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const start of ['\xff\xd8\xff', 'RIFF....WEBP']) {
        const file = Buffer.concat([Buffer.from(start, 'latin1'), bytes]);
        exifOfJpeg(file);
        exifOfWebp(file);
      }
    }),
  );
  t.pass('without an error');
});
