/** `node-diffusion convert`, and `inspect --memory`. */
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
  t.match(await run(['convert', 'nowhere', 'a.gguf']), { code: 1, stderr: /FILE_NOT_FOUND/ });
});

t.test('inspect --memory', async (t) => {
  const { stdout } = await run(['inspect', avatar, '--memory', '--width', '64', '--height', '64', '--json']);
  t.match(JSON.parse(stdout), { weightBytes: Number, computeBytes: Number, totalBytes: Number });
  t.match(await run(['inspect', avatar, '--memory', '--width', '63']), { code: 2, stderr: /width/ });
});
