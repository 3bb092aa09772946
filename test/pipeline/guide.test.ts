/** The examples of docs/guides/tasks.md, run one after the other as they stand, on a tiny model. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import ts from 'typescript';
import * as library from '../../lib/index';
import { networkPath } from '../support/safetensors';

const guide = readFileSync(path.resolve(__dirname, '..', '..', 'docs', 'guides', 'tasks.md'), 'utf8');
const examples = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);

/** The tiny model, which draws small pictures where an example leaves the size open. */
async function load() {
  const pipeline = await library.Pipeline.load(networkPath('avatar.safetensors'), { threads: 1 });
  const small = { width: 32, height: 32, steps: 6 };
  return Object.assign(Object.create(pipeline), {
    txt2img: (request: library.Txt2ImgRequest) => pipeline.txt2img({ ...small, ...request }),
    steps: (request: library.Txt2ImgRequest) => pipeline.steps({ ...small, ...request }),
    dispose: () => pipeline.dispose(),
  });
}

/** An example as a function of the names that it is given, which returns those that it declares. */
function compile(code: string, given: string[]) {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const declared = [...code.matchAll(/^const (\w+) =/gm)].map(([, name]) => name);
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  return new AsyncFunction('require', 'exports', 'console', ...given, `${outputText}\nreturn { ${declared} };`);
}

t.test('every example runs', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
  const before = process.cwd();
  process.chdir(folder);
  t.teardown(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  });
  const data = Uint8Array.from({ length: 3072 }, (_, i) => (i * 7) % 256);
  await new library.Image(32, 32, data).save('photo.png');
  await new library.Image(32, 32, new Uint8Array(3072).fill(255, 1536)).save('mask.png');

  const own = { ...library, Pipeline: { load } };
  const requireHere = (name: string) => (name === 'node-diffusion' ? own : require(name));
  const said: string[] = [];
  const output = { log: (line: string) => said.push(line) };
  const [first, ...rest] = examples;
  t.ok(rest.length >= 9, `${rest.length} examples`);
  const names: Record<string, unknown> = await compile(first, [])(requireHere, {}, output);
  const { writeFileSync } = await import('node:fs');
  const given = { ...names, writeFileSync };
  t.teardown(() => (names.pipeline as library.Pipeline).dispose());
  for (const [i, code] of rest.entries()) {
    const run = compile(code, Object.keys(given));
    await t.resolves(
      () => run(requireHere, {}, output, ...Object.values(given)),
      `example ${i + 2}: ${code.split('\n')[0]}`,
    );
  }
  for (const file of ['painting.png', 'door.png', 'wide.png', 'preview.png', 'lighthouse.run', 'lighthouse.png']) {
    t.ok(existsSync(file), file);
  }
  t.equal(said.length, 12);
  t.match(said[11], /^12 of 12, sigma 0$/);
});

t.test('the guide names every option that requests have beside those of the samplers', async (t) => {
  const names = [
    'strength',
    'mask',
    'maskBlur',
    'subseed',
    'subseedStrength',
    'hires',
    'cfgRescale',
    'guidanceInterval',
    'pagScale',
    'pagLayers',
    'pagMethod',
  ];
  for (const name of [...names, 'batchSize', 'negativePrompt', 'onStep', 'signal', 'overlap'])
    t.match(guide, new RegExp(`\\b${name}\\b`));
});
