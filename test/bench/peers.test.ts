/** Which peers there are, what they cannot draw, and what is read from their logs. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { findPeer, peers } from '../../lib/bench/peers/index';
import { roundOf as addonRound, nodeStableDiffusionCpp } from '../../lib/bench/peers/node-stable-diffusion-cpp';
import { openvinoGenai } from '../../lib/bench/peers/openvino-genai';
import { roundOf, sdCli } from '../../lib/bench/peers/sd-cli';
import { watch } from '../../lib/bench/peers/watch';

t.test('a peer is known and its program exists', async (t) => {
  t.strictSame(findPeer('sd-cli', process.execPath), { name: 'sd-cli', program: process.execPath });
  const { name, ext, dir } = path.parse(process.execPath);
  const { PATH } = process.env;
  t.teardown(() => (process.env.PATH = PATH));
  process.env.PATH = `${path.join(dir, 'none')}${path.delimiter}${dir}`;
  t.equal(findPeer('diffusers', name + ext).program, process.execPath, 'looked for on the PATH');
  t.throws(() => findPeer('onnx', process.execPath), {
    code: 'INVALID_ARGUMENT',
    message: /sd-cli, .*diffusers, .*got 'onnx'/,
  });
  const plain = path.join(t.testdir({ plain: '' }), 'plain');
  for (const program of ['no-such-program-here', path.join(dir, 'no', 'such'), '', dir, plain]) {
    if (program === plain && process.platform === 'win32') continue;
    t.throws(() => findPeer('sd-cli', program), { code: 'FILE_NOT_FOUND', message: /peer sd-cli: / }, program);
  }
});

t.test('what they cannot draw', async (t) => {
  const folder = t.testdir();
  const here = { width: 64, height: 64, steps: 1, threads: 1, family: 'sd1', hasBf16: true, scratch: folder };
  const configuration = { ...here, model: path.join(folder, 'x.safetensors'), precision: 'auto' };
  for (const { unable } of Object.values(peers)) {
    t.equal(unable(configuration), undefined);
    t.match(unable({ ...configuration, precision: 'q3' }), /q3/);
    t.match(unable({ ...configuration, family: 'custom' }), /custom/);
  }
  const { diffusers } = peers;
  t.match(diffusers.unable({ ...configuration, model: 'x.gguf' }), /safetensors/);
  t.match(diffusers.unable({ ...configuration, precision: 'q8_0' }), /q8_0/);
  t.equal(diffusers.unable({ ...configuration, family: 'sdxl', model: folder }), undefined, 'any folder');
  t.match(openvinoGenai.unable({ ...configuration, model: 'x.gguf' }), /safetensors/);
  t.match(openvinoGenai.unable({ ...configuration, precision: 'q4_k' }), /q4_k/);
  t.match(openvinoGenai.unable({ ...configuration, family: 'sdxl', model: folder }), /sdxl/);
  t.equal(openvinoGenai.unable({ ...configuration, model: folder }), undefined, 'a folder');
  t.equal(openvinoGenai.format({ ...configuration, precision: 'q8_0' }), 'int8 weights');
  t.equal(diffusers.format(configuration), 'bfloat16');
  t.equal(diffusers.format({ ...configuration, hasBf16: false }), 'float32');
  t.equal(sdCli.format({ ...configuration, precision: 'q4_k' }), 'q4_K');
});

// Lines as stable-diffusion.cpp writes them, progress bars and all.
const log = [
  '  |##################################################| 196/196 - 1.10GB/s\x1b[K',
  '[INFO ] model_loader.cpp:1304 - loading tensors completed, taking 0.21s (read: 0.20s, memcpy: 0.00s)',
  '[INFO ] stable-diffusion.cpp:5296 - get_learned_condition completed, taking 374 ms',
  '[INFO ] model_loader.cpp:1304 - loading tensors completed, taking 1.42s (read: 1.30s, memcpy: 0.00s)',
  '\r  |=========================>                        | 1/3 - 2.77s/it\x1b[K',
  '\r  |=========================>                        | 2/3 - 1.42s/it\x1b[K',
  '\r  |==================================================| 3/3 - 2.00it/s\x1b[K',
  '[INFO ] stable-diffusion.cpp:5321 - decoding 1 latents',
  '[INFO ] model_loader.cpp:1304 - loading tensors completed, taking 0.40s (read: 0.30s, memcpy: 0.00s)',
  '[INFO ] stable-diffusion.cpp:5391 - decode_first_stage completed, taking 1.73s',
].join('\n');

t.test("stable-diffusion.cpp's log", async (t) => {
  const { load, text, step, firstDecode } = roundOf(log, 3, true);
  t.ok(Math.abs(load! - 2.03) < 1e-9, `${load}: all parts`);
  t.strictSame({ text, step }, { text: 0.374, step: [1.42, 0.5] }, 'without the first step, which loads');
  t.ok(Math.abs(firstDecode! - 1.33) < 1e-9, `${firstDecode}: without the loading in it`);
  t.strictSame(roundOf(log.split('\n').slice(0, 5).join('\n').replaceAll('1/3', '1/1'), 1, false).step, [2.77]);
  t.throws(() => roundOf(log, 4, false), /4 steps.*which ends: .*1\.73s/);
  t.throws(() => roundOf(log.split('\n').slice(0, 8).join('\n'), 3, true), /decoding/);
});

const small = { width: 64, height: 64, steps: 4, threads: 1, family: 'sd1', hasBf16: true, scratch: '' };

/** In Python's place: keeps what it is asked to do, converts any model but `none`, and answers what it was asked to draw. */
const python = `#!${process.execPath}
const { appendFileSync, writeFileSync } = require('node:fs');
const { basename, dirname } = require('node:path');
const [script, task, text] = process.argv.slice(2);
const options = JSON.parse(text);
if (options.model === 'none') throw new Error('no model');
appendFileSync(dirname(options.folder) + '/calls', task + ' ' + basename(options.folder) + '\\n');
if (task === 'convert') writeFileSync(options.folder + '/model_index.json', '{}');
else console.log('a warning\\n' + JSON.stringify({ step: Array(options.steps).fill(1), computes: JSON.stringify(options.settings) }));
`;

t.test('openvino-genai converts a model once a run', { skip: process.platform === 'win32' }, async (t) => {
  const scratch = t.testdir({ python });
  const program = path.join(scratch, 'python');
  chmodSync(program, 0o755);
  const measure = (precision: string, model = 'x.safetensors') =>
    openvinoGenai.measure(program, { ...small, scratch, model, precision });
  await t.rejects(measure('auto', 'none'), { message: /ended with code 1/ });
  t.strictSame(await measure('auto'), { step: [1, 1, 1, 1], computes: '{}' }, 'converted after a failure');
  t.equal((await measure('bf16')).computes, '{"INFERENCE_PRECISION_HINT":"bf16"}', 'with the same weights');
  await measure('q8_0');
  const calls = readFileSync(path.join(scratch, 'calls'), 'utf8').trim().split('\n');
  t.strictSame(calls, [
    ...['convert openvino-f16', 'measure openvino-f16', 'measure openvino-f16'],
    ...['convert openvino-int8', 'measure openvino-int8'],
  ]);
});

/** An addon with the package's calls, whose log comes to the second callback; it draws as long as it says. */
const addon = `exports.createContext = async ({ model, weightType }, log, progress) => ({
  txt2img: async ({ sampleSteps }) => {
    progress('info', 'stable-diffusion.cpp:1268 - get_learned_condition completed, taking 42 ms');
    progress('info', \`stable-diffusion.cpp:1327 - sampling completed, taking \${sampleSteps * weightType}.00s\`);
    progress('info', 'stable-diffusion.cpp:1348 - latent 1 decoded, taking 9.57s');
    progress('info', \`stable-diffusion.cpp:1352 - decode_first_stage completed, taking \${10 - sampleSteps}.00s\`);
    return model === 'none' ? Promise.reject(new Error('no model')) : [];
  },
  dispose: async () => {},
});`;

t.test("node-stable-diffusion-cpp's addon, in a process of its own", async (t) => {
  const file = path.join(t.testdir({ 'napi.node': '' }), 'napi.node');
  t.strictSame(findPeer('node-stable-diffusion-cpp', file).program, file, 'a file that is no program');
  const script = path.join(t.testdir({ 'addon.cjs': addon }), 'addon.cjs');
  const here = { ...small, precision: 'q8_0' };
  const round = await nodeStableDiffusionCpp.measure(script, { ...here, model: 'x.safetensors' });
  t.match(round, { text: 0.042, step: [8], decode: 6, firstDecode: 9 });
  t.ok(round.load! >= 0 && round.load! < 5, `${round.load}`);
  await t.rejects(nodeStableDiffusionCpp.measure(script, { ...here, model: 'none' }), { message: /ended with code 1/ });
  t.throws(() => addonRound('sampling completed, taking 2.00s', 1), /two pictures.*which ends: sampling/);
  t.equal(nodeStableDiffusionCpp.format({ ...here, model: 'x', precision: 'auto' }), 'f16');
});

t.test('a process is watched', async (t) => {
  const program = path.join(t.testdir(), 'program.cjs');
  const says = (text: string) => writeFileSync(program, text);
  says("console.log('one'); console.error('two');");
  const { stdout, log } = await watch(process.execPath, [program]);
  t.equal(stdout, 'one\n');
  t.match(log, /two/);
  says("console.error('first'); console.error('out of luck'); process.exit(3)");
  await t.rejects(watch(process.execPath, [program]), { message: 'it ended with code 3: out of luck' });
  says("console.log('step 1'); setInterval(() => {}, 1000)");
  const ended = await watch(process.execPath, [program], undefined, (log) => log.includes('step 1'));
  t.match(ended.stdout, 'step 1', 'ended once it had said enough');
  if (process.platform === 'linux') t.ok(ended.peakBytes! > 1e6, `${ended.peakBytes} bytes`);
  const cancel = new AbortController();
  const running = watch(process.execPath, [program], cancel.signal);
  cancel.abort();
  await t.rejects(running, { code: 'ABORTED' });
  await t.rejects(watch(path.join(program, 'none'), []), { code: /ENO(ENT|TDIR)/ });
});
