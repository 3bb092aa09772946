/** The command line as a person runs it: what it writes, says, and returns. */
import { existsSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { Image } from '../../lib/index';
import { networkPath } from '../support/safetensors';
import { run } from './run';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const model = ['--model', networkPath('avatar.safetensors'), '--threads', '1'];
const small = [...model, '--width', '32', '--height', '32', '--steps', '3', '--seed', '5'];
const out = (name: string) => path.join(folder, name);

t.test('a prompt becomes a picture', async (t) => {
  const { code, stdout, stderr } = await run(['a sad man with a green hat', '-o', out('one.png'), ...small]);
  t.equal(code, 0, stderr);
  t.equal(stdout, '');
  t.match(stderr, /one\.png {2}\(seed 5, /);
  const image = await Image.open(out('one.png'));
  t.match(image, { width: 32, height: 32, parameters: /^a sad man with a green hat\nSteps: 3/ });
});

t.test('--deterministic prints a hash of each stage, for diff', async (t) => {
  const { code, stdout, stderr } = await run([
    'a cat',
    '-o',
    out('hashed.png'),
    ...small,
    '--deterministic',
    '--quiet',
  ]);
  t.equal(code, 0, stderr);
  t.match(stdout, /^text 1 [0-9a-f]{16}\nstart 1 .*\nsteps 1 .*\nsteps 2 .*\nsteps 3 .*\npixels 1 [0-9a-f]{16}\n$/);
  const json = await run(['a cat', '-o', out('hashed.png'), ...small, '--deterministic', '--json']);
  const { hashes } = JSON.parse(json.stdout);
  const lines = Object.entries(hashes as Record<string, string[]>).flatMap(([stage, list]) =>
    list.map((hash, i) => `${stage} ${i + 1} ${hash}\n`),
  );
  t.equal(lines.join(''), stdout);
});

t.test('txt2img with --json and a batch', async (t) => {
  const { code, stdout, stderr } = await run([
    'txt2img',
    '-p',
    'a cat',
    '-o',
    out('two.png'),
    ...small,
    '--batch-size',
    '2',
    '--json',
  ]);
  t.equal(code, 0, stderr);
  t.equal(stderr, '');
  const said = JSON.parse(stdout);
  t.match(said, {
    prompt: 'a cat',
    images: [
      { file: out('two-1.png'), seed: 5 },
      { file: out('two-2.png'), seed: 6, width: 32 },
    ],
  });
  for (const { file } of said.images) t.ok(existsSync(file), file);
});

t.test('wrong use ends with 2 and one line', async (t) => {
  const wrong: [string[], RegExp][] = [
    [[], /a prompt is needed/],
    [['a', 'b', ...small], /unexpected argument 'b'/],
    [['a cat', '--steps', 'many', ...model], /--steps: expected a number, got 'many'/],
    [['a cat', '--frobnicate', ...model], /frobnicate/],
    [['a cat', '-o', 'picture.bmp'], /ends in \.png, \.jpg, \.jpeg or \.webp, got 'picture\.bmp'/],
    [['a cat', '-o', out('x.png'), ...small, '--sampler', 'magic'], /UNKNOWN_SAMPLER.*euler/],
    [['a cat', '-o', out('x.png'), ...small, '--prediction', 'score'], /INVALID_ARGUMENT: prediction: .*x0, flow/],
    [['a cat', ...model, '--original-size', '64'], /--original-size: expected WIDTHxHEIGHT, got '64'/],
    [['a cat', ...model, '--crop-top-left', '6x4'], /--crop-top-left: expected TOP,LEFT, got '6x4'/],
    [
      ['a cat', '-o', out('x.png'), ...small, '--original-size', '64x64'],
      /INVALID_REQUEST: originalSize: expected none/,
    ],
    [['a cat', '-o', out('x.png'), ...small, '--width', '30'], /INVALID_REQUEST: width: expected a multiple of 4/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await run(args);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, message);
    t.equal(stderr.trim().split('\n').length, 1, 'one line');
  }
  t.notOk(existsSync(out('x.png')), 'nothing half-written stays');
});

t.test('a word that is nearly a command draws nothing', async (t) => {
  const cwd = t.testdir();
  const near = {
    benchh: 'bench',
    inspct: 'inspect',
    Help: 'help',
    verison: 'version',
    devces: 'devices',
    paint: 'inpaint',
  };
  for (const [word, meant] of Object.entries(near)) {
    const { code, stderr } = await run([word], { cwd });
    t.equal(code, 2, word);
    t.equal(
      stderr,
      `node-diffusion: there is no command '${word}': did you mean ${meant}? \`node-diffusion txt2img ${word}\` draws it\n`,
    );
  }
  t.equal((await run(['benchh', '--json', '--steps', '1'], { cwd })).code, 2, 'with options too');
  t.strictSame(readdirSync(cwd), []);
  for (const args of [['txt2img', 'benchh'], ['-p', 'help'], ['toString'], ['cat']]) {
    const { code, stderr } = await run([...args, ...small], { cwd });
    t.equal(code, 0, `${args}: ${stderr}`);
  }
});

t.test('a value with a dash before it', async (t) => {
  const cases: [string[], RegExp][] = [
    [['--seed', '-1'], /^node-diffusion: --seed: expected a value, got '-1': .* is written --seed=-1\n$/],
    [['--negative-prompt', '-ugly hat'], /is written --negative-prompt='-ugly hat'\n$/],
    [['-o', '-x.png'], /is written --output=-x\.png\n$/],
    [['--memory-budget-mb=-5'], /--memory-budget-mb: expected a number of MiB, 0 or more, got '-5'/],
  ];
  for (const [args, message] of cases) t.match(await run(['a cat', ...model, ...args]), { code: 2, stderr: message });
});

t.test('a fraction of a MiB', async (t) => {
  const { code, stderr } = await run(['a cat', '-o', out('b.png'), ...small, '--memory-budget-mb', '0.0101']);
  t.equal(code, 1);
  t.match(stderr, /OUT_OF_MEMORY: .* memory budget of 10591 bytes/);
});

t.test('a seed in --json can be given back', async (t) => {
  const seeds: unknown[] = [];
  for (const seed of ['9007199254740991', '9007199254740992', '18446744073709551615']) {
    const args = ['a cat', '-o', out('seed.png'), ...small, '--seed', seed, '--json'];
    seeds.push(JSON.parse((await run(args)).stdout).images[0].seed);
  }
  t.strictSame(seeds, [9007199254740991, '9007199254740992', '18446744073709551615']);
});

t.test('standard output that cannot be written', { skip: !existsSync('/dev/full') && 'no /dev/full' }, async (t) => {
  for (const args of [['a cat', '-o', out('full.png'), ...small, '--json'], ['devices'], ['--version']]) {
    const { code, stderr } = await run(args, { stdout: openSync('/dev/full', 'w') });
    t.equal(code, 1, `${args}`);
    t.match(stderr, /^node-diffusion: FILE_NOT_WRITABLE: standard output .*ENOSPC.*\n$/);
  }
});

t.test('a reader that has read enough is no failure', async (t) => {
  const closed = await run(['inspect'], { onStart: (child) => child.stdout?.destroy() });
  t.match(closed, { code: 0, stderr: '' });
});

t.test('failures end with 1 and a code', async (t) => {
  const { code, stderr } = await run(['a cat', '-o', out('y.png'), '--model', out('absent.safetensors')]);
  t.equal(code, 1);
  t.match(stderr, /^node-diffusion: FILE_NOT_FOUND: .*absent\.safetensors/);
  const unwritable = await run(['a cat', '-o', path.join(folder, 'no', 'such', 'folder.png'), ...small]);
  t.equal(unwritable.code, 1);
  t.match(unwritable.stderr, /FILE_NOT_WRITABLE/);
  const both = ['--model', out('absent.safetensors'), '-o', path.join(folder, 'no', 'a.png')];
  t.match((await run(['a cat', ...both])).stderr, /FILE_NOT_WRITABLE.*create it first/, 'before the model is loaded');
  t.match((await run(['ddpm', ...both])).stderr, /FILE_NOT_WRITABLE/);
  const unconditional = await run(['a cat', '-m', networkPath('ddpm.safetensors'), '-o', out('y.png')]);
  t.match(unconditional, { code: 1, stderr: /MISSING_COMPONENT: .*: `node-diffusion ddpm` draws with it\n$/ });
});

t.test('what the network predicts', async (t) => {
  const zero = ['--prediction', 'x0', '--zero-terminal-snr'];
  const drawn: Buffer[] = [];
  for (const [name, args] of Object.entries({ zero, flow: ['--prediction', 'flow', '--flow-shift', '3'] })) {
    const { code, stderr } = await run(['a cat', '-o', out(`${name}.png`), ...small, ...args]);
    t.equal(code, 0, stderr);
    const { data, parameters } = await Image.open(out(`${name}.png`));
    t.match(parameters, name === 'zero' ? /Noise Schedule: Zero Terminal SNR/ : /^(?!.*Noise Schedule)/s);
    drawn.push(Buffer.from(data));
  }
  t.notOk(drawn[0].equals(drawn[1]));
});

t.test('Ctrl-C ends with 130', async (t) => {
  const args = ['a cat', '-o', out('z.png'), ...model, '--width', '512', '--height', '512', '--steps', '1000'];
  const { code, stderr } = await run(args, { onStart: (child) => setTimeout(() => child.kill('SIGINT'), 2500) });
  t.equal(code, 130, stderr);
  t.notOk(existsSync(out('z.png')));
});

t.test('inspect, devices, help, version', async (t) => {
  const inspected = JSON.parse((await run(['inspect', model[1], '--json'])).stdout);
  t.match(inspected, { family: 'custom', format: 'safetensors', ownVocabulary: true });
  t.match((await run(['inspect', model[1]])).stdout, /family +custom\n/);
  t.match(JSON.parse((await run(['devices', '--json'])).stdout), {
    devices: [
      { name: 'cpu', instructionSet: /scalar|avx2|avx512/ },
      { name: 'cuda' },
      { name: 'metal' },
      { name: 'vulkan' },
    ],
  });
  t.match((await run(['devices'])).stdout, /^cpu {2}.+, \d+ threads, .+\ncuda {2}.+\nmetal {2}.+\nvulkan {2}.+\n$/);
  const wrong = await run(['a cat', ...model, '--device', 'tpu']);
  t.match(wrong, { code: 2, stderr: /--device: expected one of auto, cpu, cuda, metal, vulkan, got 'tpu'/ });
  for (const args of [['--help'], ['txt2img', '--help'], ['inspect', '-h'], ['devices', '--help']]) {
    const { code, stdout } = await run(args);
    t.equal(code, 0);
    t.match(stdout, /^node-diffusion /);
  }
  for (const args of [['--version'], ['-v'], ['version']]) t.match((await run(args)).stdout, /^\d+\.\d+\.\d+\n$/);
  t.equal((await run(['help'])).stdout, (await run(['--help'])).stdout);
  t.equal((await run(['help', 'bench'])).stdout, (await run(['bench', '--help'])).stdout);
  t.match(await run(['help', 'toString']), { code: 2, stderr: /help: expected one of txt2img, .*, got 'toString'/ });
  t.match(await run(['version', 'x']), { code: 2, stderr: /unexpected argument 'x'/ });
});
