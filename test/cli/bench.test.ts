/** `node-diffusion bench` as a person runs it, small. No time is judged. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { Report } from '../../lib/bench/report';
import type { Spread } from '../../lib/bench/statistics';
import { convertModel } from '../../lib/index';
import { readTensors, writeFolder } from '../support/model-files';
import { networkPath } from '../support/safetensors';
import { run } from './run';

const small = ['bench', '--size', '64', '--steps', '2', '--repeat', '1', '--threads', '1'];

function checkSpread(t: Test, name: string, { median, least, most, count }: Spread, expected: number) {
  t.ok(0 < least && least <= median && median <= most, `${name}: ${least} ${median} ${most}`);
  t.equal(count, expected, `${name}: how many`);
}

t.test('the embedded model: JSON, text, chart, baseline', async (t) => {
  const folder = t.testdir();
  const file = (name: string) => path.join(folder, name);
  const args = [...small, '--precision', 'f32,q8_0', '--json', file('a.json'), '--chart', file('a.svg')];
  const first = await run([...args, '--peer', `diffusers=${process.execPath}`]);
  t.equal(first.code, 0, first.stderr);
  t.match(first.stdout, /^avatar\.gguf: .*\n2 steps with guidance, 1 threads/);
  t.match(first.stdout, /diffusers: skipped, without a network/);
  t.match(readFileSync(file('a.svg'), 'utf8'), /^<svg /);

  const report = JSON.parse(readFileSync(file('a.json'), 'utf8')) as Report;
  t.match(report, {
    ...{ kind: 'node-diffusion-bench', version: 1, date: /^\d{4}-\d\d-\d\dT/ },
    environment: { cpu: String, cores: Number, instructionSet: /scalar|avx2|avx512/, versions: { ggml: /^\d/ } },
    settings: { model: { name: 'avatar.gguf', family: 'custom' }, steps: 2, threads: 1, repeat: 1 },
  });
  t.strictSame(
    report.results.map(({ width, height, precision }) => [width, height, precision]),
    [
      [64, 64, 'f32'],
      [64, 64, 'q8_0'],
    ],
  );
  const [f32, q8] = report.results;
  for (const name of ['load', 'text', 'decode', 'firstDecode', 'request', 'abort'] as const)
    checkSpread(t, name, f32[name], 1);
  for (const name of ['step', 'unet'] as const) checkSpread(t, name, f32[name], 2);
  checkSpread(t, 'peakBytes', f32.memory.peakBytes, 1);
  t.ok(f32.peaks.f32 > 1e9, `${f32.peaks.f32} operations a second`);
  t.ok(f32.unet.operations.f32 > 1e8 && f32.unet.operations.int8 === 0, 'f32 multiplies f32 alone');
  t.ok(f32.unet.shareOfPeak > 0 && f32.unet.shareOfPeak < 3, `${f32.unet.shareOfPeak}`);
  t.ok(f32.memory.peakBytes.median > f32.memory.weightBytes);
  t.ok(q8.memory.weightBytes < f32.memory.weightBytes);
  t.match(f32.peers, [{ name: 'diffusers', skipped: /custom/ }]);

  const second = await run([...small, '--precision', 'f32', '--json', '--baseline', file('a.json')]);
  t.equal(second.code, 0, second.stderr);
  const { comparison } = JSON.parse(second.stdout);
  t.match(comparison, { date: report.date, missing: [], results: [{ width: 64, precision: 'f32' }] });
  t.strictSame(comparison.differences, []);
  t.ok(comparison.results[0].ratios.step.median > 0);
});

t.test('a peer that fails is told, and the rest is measured', async (t) => {
  // A folder, which diffusers could read; but Node is no Python.
  const folder = t.testdir();
  const canonical = path.join(folder, 'canonical.safetensors');
  await convertModel(networkPath('avatar.safetensors'), canonical); // from CompVis' names
  const model = writeFolder(path.join(folder, 'avatar'), readTensors(canonical));
  const args = [...small, '--model', model, '--size', '32', '--json', '--peer', `diffusers=${process.execPath}`];
  const { code, stdout, stderr } = await run(args);
  t.equal(code, 0, stderr);
  const [{ peers, step }] = (JSON.parse(stdout) as Report).results;
  t.match(peers, [{ name: 'diffusers', skipped: /^it failed: it ended with code 1/ }]);
  t.ok(step.median > 0);
});

t.test('wrong use, and what is not there', async (t) => {
  const folder = t.testdir();
  const damaged = path.join(folder, 'damaged.json');
  writeFileSync(damaged, '{}');
  const wrong: [string[], number, RegExp][] = [
    [['--size', 'large'], 2, /--size: expected pixels such as 512 or 512x768, got 'large'/],
    [['--size', '66'], 2, /INVALID_ARGUMENT: width: expected .*66/],
    [['--size', '64x66'], 2, /INVALID_ARGUMENT: height: expected .*66/],
    [['--steps', 'many'], 2, /--steps: expected a number/],
    [['--steps', '0'], 2, /INVALID_ARGUMENT: steps: expected a whole number, 1 or more, got 0/],
    [['--repeat', '1.5'], 2, /INVALID_ARGUMENT: repeat/],
    [['--precision', 'q3'], 2, /INVALID_ARGUMENT: precision/],
    [['--json', path.join(folder, 'no', 'r.json')], 1, /FILE_NOT_WRITABLE: .*r\.json/],
    [['--chart', path.join(folder, 'no', 'r.svg')], 1, /FILE_NOT_WRITABLE: .*r\.svg/],
    [['--chart', 'x.pdf'], 2, /INVALID_ARGUMENT: chart: .*\.svg or \.png/],
    [['--peer', 'sd-cli'], 2, /--peer: expected NAME=PROGRAM, got 'sd-cli'/],
    [['--peer', 'onnx=x'], 2, /INVALID_ARGUMENT: peer: expected one of sd-cli/],
    [['--peer', 'sd-cli=./no-such-program'], 1, /FILE_NOT_FOUND: peer sd-cli/],
    [['--baseline', path.join(folder, 'absent.json')], 1, /FILE_NOT_FOUND: .*absent\.json/],
    [['--baseline', damaged], 1, /FILE_INVALID: .*damaged\.json: expected a report/],
    [['--model', path.join(folder, 'absent.safetensors')], 1, /FILE_NOT_FOUND/],
    [['--frobnicate'], 2, /frobnicate/],
  ];
  for (const [args, expected, message] of wrong) {
    const { code, stdout, stderr } = await run(['bench', ...args]);
    t.equal(code, expected, args.join(' '));
    t.match(stderr, message);
    t.equal(stdout, '', 'nothing was measured');
  }
  t.match(await run(['bench', '--help']), {
    code: 0,
    stdout: /^node-diffusion bench .*sd-cli, sd-cli-default, diffusers/s,
  });
});

t.test('Ctrl-C ends with 130', async (t) => {
  const args = ['bench', '--size', '512', '--steps', '1000'];
  const { code, stderr } = await run(args, { onStart: (child) => setTimeout(() => child.kill('SIGINT'), 3000) });
  t.equal(code, 130, stderr);
});
