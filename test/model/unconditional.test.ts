/** Unconditional UNets against diffusers' UNet2DModel, and what such models are refused for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { inspectModel } from '../../lib/model/inspect';
import { Model, type PlanesShape } from '../../lib/model/model';
import { relativeError } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';
import { writeAltered } from './altered-file';

const models = {
  ddpm: { file: 'ddpm.safetensors', sizes: ['16x16', '8x24'] }, // heads of 8 channels, f16
  ddpm_old: { file: 'ddpm_old', sizes: ['16x16', '8x20'] }, // google/ddpm-*: one head, freq_shift 1, padding 0, old names
  ddpm_grey: { file: 'ddpm_grey', sizes: ['16x16', '24x8'] }, // four levels, attention in two, none in the middle
};

// Below f32 the engine may keep maps in sixteen bits as well.
const tolerances = { f32: 1e-5, f16: 2e-2, bf16: 3e-2, q8_0: 5e-2 };

for (const [name, { file, sizes }] of Object.entries(models)) {
  const reference = readFixture(networkPath(`${name}.ref.safetensors`));
  const { timestep, fractional_timestep: fractional } = reference.facts;

  for (const [precision, tolerance] of Object.entries(tolerances)) {
    t.test(`${name} in ${precision}`, async (t) => {
      const model = await Model.load(networkPath(file), { precision, threads: 1 });
      t.teardown(() => model.dispose());
      for (const size of sizes) {
        const { data, shape } = reference.f32(`pixels.${size}`);
        for (const [at, suffix] of [[timestep, ''] as const, [fractional, '.fractional'] as const]) {
          const noise = await model.predictNoise(data, shape as unknown as PlanesShape, at, null);
          const error = relativeError(noise, reference.f32(`noise.${size}${suffix}`).data);
          t.ok(error <= tolerance, `${size} at ${at}: relative L2 error ${error.toExponential(2)} <= ${tolerance}`);
        }
      }
    });
  }
}

t.test('what they are', async (t) => {
  const components = { unet: true, vae: false, textEncoder: false };
  t.match(await inspectModel(networkPath('ddpm.safetensors')), {
    ...{ family: 'ddpm', format: 'safetensors', components },
    unet: { inChannels: 3, outChannels: 3, contextWidth: 0, blockChannels: [16, 32], sampleSize: 16 },
    prediction: { type: 'epsilon', betaSchedule: 'linear', betaStart: 0.0001, betaEnd: 0.02, clipRange: 1 },
  });
  t.match(await inspectModel(networkPath('ddpm_old')), { family: 'ddpm', format: 'diffusers', components });
  const grey = await inspectModel(networkPath('ddpm_grey'));
  t.match(grey, { unet: { inChannels: 1 }, prediction: { type: 'v_prediction', betaSchedule: 'squaredcos_cap_v2' } });
  t.equal(grey.prediction.clipRange, undefined, 'clip_sample false');
  t.equal((await inspectModel(networkPath('linear'))).prediction.clipRange, undefined, 'latents are never clipped');
});

t.test('text has no way in', async (t) => {
  const model = await Model.load(networkPath('ddpm.safetensors'), { threads: 1 });
  t.teardown(() => model.dispose());
  const pixels = new Float32Array(3 * 16 * 16);
  await t.rejects(model.encodeText(new Int32Array(77), 1), { code: 'MISSING_COMPONENT', message: /text encoder/ });
  const context = model.createContext(new Float32Array(77), 1);
  await t.rejects(context, { code: 'MISSING_COMPONENT', message: /unconditional.*without a context/ });
  await t.rejects(model.decodeLatents(pixels, [1, 3, 16, 16]), { code: 'MISSING_COMPONENT', message: /VAE/ });
  const odd = model.predictNoise(new Float32Array(3 * 16 * 15), [1, 3, 16, 15], 1, null);
  await t.rejects(odd, { code: 'INVALID_ARGUMENT', message: /multiples of 2.*\[1, 3, 16, 15\]/ });

  const withText = await Model.load(networkPath('avatar.safetensors'), { threads: 1 });
  t.teardown(() => withText.dispose());
  const contextless = withText.predictNoise(new Float32Array(256), [1, 4, 8, 8], 1, null);
  await t.rejects(contextless, { code: 'INVALID_ARGUMENT', message: /^context: .*takes text/ });
});

t.test('a configuration that the engine does not compute is refused', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const cases: [unet: Record<string, unknown>, code: string, message: RegExp][] = [
    [{ _class_name: undefined }, 'UNKNOWN_ARCHITECTURE', /_class_name is UNet2DModel.*got nothing/],
    [{ _class_name: 'UNet1DModel' }, 'UNKNOWN_ARCHITECTURE', /got UNet1DModel/],
    [{ act_fn: 'gelu' }, 'UNKNOWN_ARCHITECTURE', /act_fn is "gelu".*"silu"/],
    [{ resnet_time_scale_shift: 'scale_shift' }, 'UNKNOWN_ARCHITECTURE', /resnet_time_scale_shift is "scale_shift"/],
    [{ mid_block_scale_factor: 1.41 }, 'UNKNOWN_ARCHITECTURE', /mid_block_scale_factor is 1\.41/],
    [{ num_class_embeds: 10 }, 'UNKNOWN_ARCHITECTURE', /num_class_embeds is 10/],
    [{ down_block_types: ['DownBlock2D', 'SkipDownBlock2D'] }, 'UNKNOWN_ARCHITECTURE', /\[1\] is SkipDownBlock2D/],
    [{ up_block_types: ['UpBlock2D', 'UpBlock2D'] }, 'UNKNOWN_ARCHITECTURE', /up_block_types\[0\].*AttnUpBlock2D/],
    [{ up_block_types: ['AttnUpBlock2D'] }, 'FILE_INVALID', /up_block_types has 1 values for 2 levels/],
    [{ attention_head_dim: 5 }, 'UNKNOWN_ARCHITECTURE', /32 channels cannot be split/],
    [{ attention_head_dim: 0 }, 'FILE_INVALID', /attention_head_dim must be positive/],
    [{ downsample_padding: 2 }, 'UNKNOWN_ARCHITECTURE', /downsample_padding is 2/],
    [{ norm_num_groups: 7 }, 'UNKNOWN_ARCHITECTURE', /16 channels cannot be split into 7 groups/],
  ];
  const key = 'node-diffusion.config';
  for (const [i, [unet, code, message]] of cases.entries()) {
    const file = writeAltered(networkPath('ddpm.safetensors'), path.join(folder, `${i}.safetensors`), (header) => {
      const metadata = header.__metadata__ as Record<string, string>;
      const config = JSON.parse(metadata[key]);
      metadata[key] = JSON.stringify({ ...config, unet: { ...config.unet, ...unet } });
    });
    await t.rejects(Model.load(file, { threads: 1 }), { name: 'DiffusionError', code, message }, JSON.stringify(unet));
  }
});
