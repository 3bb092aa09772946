/** `node-diffusion convert`, and `inspect --memory`. */
import { copyFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { run } from './run';

const avatar = path.resolve(__dirname, '..', 'fixtures', 'networks', 'avatar.safetensors');

t.test('convert', async (t) => {
  const output = path.join(t.testdir(), 'out.gguf');
  const plain = await run(['convert', avatar, output, '--type', 'q8_0', '--rule', 'vae.*=f16', '--threads', '1']);
  t.match(plain, { code: 0, stderr: '', stdout: /out\.gguf: gguf, 0\.\d MB, \d+ tensors \(.*q8_0 0\.\d MB/ });
  const json = await run(['convert', output, path.join(path.dirname(output), 'out.safetensors'), '--json']);
  t.match(JSON.parse(json.stdout), { format: 'safetensors', typeBytes: { f16: Number } });
});

t.test('wrong use', async (t) => {
  t.match(await run(['convert', avatar]), { code: 2, stderr: /two paths/ });
  t.match(await run(['convert', avatar, 'a.gguf', 'b']), { code: 2, stderr: /unexpected argument 'b'/ });
  t.match(await run(['convert', avatar, 'a.gguf', '--rule', 'x']), { code: 2, stderr: /PATTERN=TYPE/ });
  t.match(await run(['convert', avatar, 'a.gguf', '--type', 'x']), { code: 2, stderr: /INVALID_ARGUMENT: type/ });
  t.match(await run(['convert', avatar, 'a.gguf', '--rule', 'vea.*=f16']), { code: 2, stderr: /rules: .*got vea\.\*/ });
  t.match(await run(['convert', 'nowhere', 'a.gguf']), { code: 1, stderr: /FILE_NOT_FOUND/ });
});

t.test('what is read is replaced only where that is asked for', async (t) => {
  const file = path.join(t.testdir(), 'a.safetensors');
  copyFileSync(avatar, file);
  const before = readFileSync(file);
  const again = path.join(path.dirname(file), '.', '..', path.basename(path.dirname(file)), 'a.safetensors');
  for (const args of [
    [file, again],
    [avatar, file, '--vae', file],
  ]) {
    const refused = await run(['convert', ...args, '--type', 'f32']);
    t.match(refused, { code: 2, stderr: /a\.safetensors is read and would be replaced: .*--replace/ });
  }
  t.ok(readFileSync(file).equals(before));
  t.equal((await run(['convert', file, file, '--type', 'f32', '--replace'])).code, 0);
  t.notOk(readFileSync(file).equals(before));
});

t.test('inspect --memory', async (t) => {
  const { stdout } = await run(['inspect', avatar, '--memory', '--width', '64', '--height', '64', '--json']);
  t.match(JSON.parse(stdout), { weightBytes: Number, computeBytes: Number, totalBytes: Number });
  t.match(await run(['inspect', avatar, '--memory', '--width', '63']), { code: 2, stderr: /width/ });
  const memory = ['inspect', avatar, '--memory', '--json', '--width', '512', '--height', '512', '--threads', '1'];
  const [plain, tiled] = await Promise.all([run(memory), run([...memory, '--memory-budget-mb', '1.1'])]);
  t.ok(JSON.parse(tiled.stdout).stages.decode < JSON.parse(plain.stdout).stages.decode, tiled.stderr);
  for (const name of ['width', 'memory-budget-mb', 'precision']) {
    const alone = await run(['inspect', avatar, `--${name}`, '64']);
    t.match(alone, { code: 2, stdout: '', stderr: new RegExp(`--${name}: expected --memory beside it`) });
  }
});
