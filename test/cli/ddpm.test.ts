/** `node-diffusion ddpm`: what it writes, says, and returns. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { Image, Pipeline } from '../../lib/index';
import { sameBytes } from '../support/compare';
import { networkPath } from '../support/safetensors';
import { run } from './run';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const file = networkPath('ddpm.safetensors');
const small = ['ddpm', '--model', file, '--threads', '1', '--steps', '3'];
const out = (name: string) => path.join(folder, name);

t.test('a picture of noise alone', async (t) => {
  const { code, stdout, stderr } = await run([...small, '-o', out('one.png'), '--seed', '5', '--sampler', 'ddpm']);
  t.equal(code, 0, stderr);
  t.equal(stdout, '');
  t.match(stderr, /one\.png {2}\(seed 5, /);
  const image = await Image.open(out('one.png'));
  t.match(image, { width: 16, height: 16, parameters: /^Steps: 3, Sampler: .*Seed: 5, Size: 16x16, Model: ddpm$/ });
});

t.test('--deterministic tells of all batches', async (t) => {
  const args = [...small, '-o', out('hashed.png'), '--seed', '5', '--count', '17', '--deterministic', '--json'];
  const { hashes } = JSON.parse((await run(args)).stdout) as { hashes: Record<string, string[]> };
  t.strictSame(
    Object.entries(hashes).map(([stage, list]) => [stage, list.length]),
    [
      ['text', 0],
      ['start', 2],
      ['steps', 6],
      ['pixels', 17],
    ],
  );
});

t.test('--count draws pictures of consecutive seeds, more than a batch holds too', async (t) => {
  const args = [...small, '-o', out('many.png'), '--seed', '5', '--count', '18', '--json'];
  const { code, stdout, stderr } = await run(args);
  t.equal(code, 0, stderr);
  t.equal(stderr, '');
  const { images, seconds } = JSON.parse(stdout) as { images: { file: string; seed: number }[]; seconds: unknown };
  t.match(seconds, { load: Number, draw: Number });
  t.strictSame(
    images.map(({ seed }) => seed),
    Array.from({ length: 18 }, (_, i) => 5 + i),
  );
  t.equal(images[17].file, out('many-18.png'));
  await using pipeline = await Pipeline.unconditional(file, { threads: 1 });
  const alone = (await pipeline.generate({ steps: 3, seed: 22 })).images[0];
  const last = await Image.open(images[17].file);
  t.ok(sameBytes(last.data, alone.data), 'the last one is what its seed gives alone');
});

t.test('wrong use ends with 2 and one line, failures with 1', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['a cat'], /a cat/],
    [['--prompt', 'a cat'], /prompt/],
    [['--count', '0'], /--count: expected a whole number, 1 or more, got '0'/],
    [['--count', 'many'], /--count: expected a number, got 'many'/],
    [['-o', 'x.bmp'], /ends in \.png, .*got 'x\.bmp'/],
    [['--seed', '-1.5'], /seed/],
    [['--width', '15'], /INVALID_REQUEST: width: expected a multiple of 2/],
    [['--sampler', 'magic'], /UNKNOWN_SAMPLER/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await run([...small, '-o', out('x.png'), ...args]);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, message);
  }
  t.notOk(existsSync(out('x.png')));
  const text = await run(['ddpm', '--model', networkPath('avatar.safetensors'), '-o', out('x.png')]);
  t.equal(text.code, 1);
  t.match(text.stderr, /^node-diffusion: MISSING_COMPONENT: .*`node-diffusion "PROMPT"` draws with it/);
});

t.test('help', async (t) => {
  const { code, stdout } = await run(['ddpm', '--help']);
  t.equal(code, 0);
  t.match(stdout, /^node-diffusion ddpm -o OUT\.png[\s\S]*--count N[\s\S]*ddim, ddpm/);
});
