/** `--lora`, `--lora-folder` and `--embeddings-folder`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { Image, Lora, Pipeline } from '../../lib/index';
import { sameBytes } from '../support/compare';
import { adapterPath, networkPath } from '../support/safetensors';
import { run } from './run';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const file = networkPath('avatar.safetensors');
const small = ['--model', file, '--threads', '1', '--steps', '2', '--seed', '5', '--width', '16', '--height', '16'];

t.test('what the pipeline draws is what is written', async (t) => {
  const loraFolder = path.dirname(adapterPath('plain.safetensors'));
  await using pipeline = await Pipeline.load(file, { threads: 1, embeddingsFolder: loraFolder });
  const adapters = [
    { lora: await Lora.load(adapterPath('plain.safetensors')), weight: 0.5 },
    { lora: await Lora.load(adapterPath('hadamard.safetensors')) },
    { lora: await Lora.load(adapterPath('full.safetensors')), weight: -0.3 },
  ];
  const drawn = await pipeline.txt2img({ prompt: 'a wisp', steps: 2, seed: 5, width: 16, height: 16, adapters });
  const out = path.join(folder, 'a.png');
  const given = ['--lora', `${adapterPath('plain.safetensors')}:0.5`, '--lora', adapterPath('hadamard.safetensors')];
  const folders = ['--lora-folder', loraFolder, '--embeddings-folder', loraFolder];
  const { code, stderr } = await run(['a wisp<lora:full:-0.3>', ...small, ...given, ...folders, '-o', out]);
  t.equal(code, 0, stderr);
  t.ok(sameBytes((await Image.open(out)).data, drawn.images[0].data));
});

t.test('what is refused', async (t) => {
  const wrong = await run(['a', ...small, '--lora', 'film:', '-o', path.join(folder, 'b.png')]);
  t.strictSame([wrong.code, wrong.stdout], [2, '']);
  t.match(wrong.stderr, /--lora: expected FILE or FILE:WEIGHT, got 'film:'/);
  const absent = await run([
    'a',
    ...small,
    '--lora',
    path.join(folder, 'no.safetensors'),
    '-o',
    path.join(folder, 'b.png'),
  ]);
  t.equal(absent.code, 1);
  t.match(absent.stderr, /FILE_NOT_FOUND.*no\.safetensors/);
});
