import t from 'tap';
import { fromA1111 } from '../../lib/image/from-a1111';

t.test('a request of the web API', async (t) => {
  t.strictSame(
    fromA1111({
      ...{
        prompt: 'a cat',
        negative_prompt: 'blurry',
        steps: 30,
        cfg_scale: 5.5,
        sampler_name: 'DPM++ 2M',
        scheduler: 'Karras',
      },
      ...{ seed: 42, subseed: 7, subseed_strength: 0.2, width: 512, height: 768, batch_size: 2, n_iter: 3, eta: 0.5 },
      override_settings: { CLIP_stop_at_last_layers: 2, randn_source: 'CPU', sd_model_checkpoint: 'v1-5' },
    }),
    {
      request: {
        ...{
          prompt: 'a cat',
          negativePrompt: 'blurry',
          steps: 30,
          sampler: 'dpmpp_2m',
          schedule: 'karras',
          cfgScale: 5.5,
        },
        ...{ seed: 42, subseed: 7, subseedStrength: 0.2, width: 512, height: 768, batchSize: 6, eta: 0.5 },
        ...{ clipSkip: 2, rng: 'torch' },
      },
      unknown: { 'override_settings.sd_model_checkpoint': 'v1-5' },
    },
  );
});

t.test('the defaults of the API ask for nothing', async (t) => {
  t.strictSame(
    fromA1111({
      ...{
        enable_hr: false,
        denoising_strength: 0,
        firstphase_width: 0,
        hr_scale: 2,
        hr_upscaler: null,
        hr_resize_x: 0,
      },
      ...{ prompt: 'a cat', styles: null, seed: -1, subseed: -1, subseed_strength: 0, sampler_name: null, steps: 20 },
      ...{
        restore_faces: false,
        tiling: false,
        negative_prompt: '',
        eta: null,
        override_settings: null,
        script_args: [],
      },
      ...{ sampler_index: 'Euler', script_name: null, save_images: false, alwayson_scripts: {} },
    }),
    {
      request: { prompt: 'a cat', steps: 20, sampler: 'euler', schedule: 'discrete' },
      unknown: { denoising_strength: 0 },
    },
  );
  t.strictSame(fromA1111({}), { request: {}, unknown: {} });
});

t.test('sampler labels, old and new', async (t) => {
  const read = (options: object) => {
    const { request, unknown } = fromA1111(options);
    return [request.sampler, request.schedule, unknown];
  };
  t.strictSame(read({ sampler_name: 'DPM++ 2M Karras' }), ['dpmpp_2m', 'karras', {}]);
  t.strictSame(read({ sampler_name: 'DPM++ 2M' }), ['dpmpp_2m', 'karras', {}], 'automatic');
  t.strictSame(read({ sampler_index: 'k_euler_a', scheduler: 'automatic' }), ['euler_a', 'discrete', {}]);
  t.strictSame(read({ scheduler: 'sgm_uniform' }), [undefined, 'sgm_uniform', {}]);
  t.strictSame(read({ sampler_name: 'Euler', sampler_index: 'Heun' }), [
    'euler',
    'discrete',
    { sampler_index: 'Heun' },
  ]);
  t.strictSame(read({ sampler_name: 'Restart', scheduler: 'turbo' }), [
    undefined,
    undefined,
    { sampler_name: 'Restart', scheduler: 'turbo' },
  ]);
  t.strictSame(read({ sampler_name: 7, scheduler: 8 }), [undefined, undefined, { sampler_name: 7, scheduler: 8 }]);
});

t.test('a picture to start from brings its strength', async (t) => {
  const { request, unknown } = fromA1111({ init_images: ['iVBORw0KGgo='], denoising_strength: 0.6, resize_mode: 1 });
  t.strictSame(request, { strength: 0.6 });
  t.strictSame(unknown, { init_images: ['iVBORw0KGgo='], resize_mode: 1 });
});

t.test('a second pass', async (t) => {
  const options = { enable_hr: true, hr_scale: 1.5, denoising_strength: 0.4, hr_resize_x: 0, hr_prompt: '' };
  t.strictSame(fromA1111({ ...options, hr_upscaler: 'Latent', hr_second_pass_steps: 0 }), {
    request: { hires: { scale: 1.5, upscaler: 'latents', strength: 0.4 } },
    unknown: {},
  });
  t.strictSame(fromA1111({ ...options, hr_upscaler: 'Lanczos', hr_second_pass_steps: 9 }), {
    request: { hires: { scale: 1.5, upscaler: 'pixels', strength: 0.4, steps: 9 } },
    unknown: {},
  });
  const unknown = { hr_upscaler: 'ESRGAN_4x', hr_resize_x: 1024, hr_prompt: 'finer' };
  t.strictSame(fromA1111({ ...options, ...unknown }), { request: { hires: { scale: 1.5, strength: 0.4 } }, unknown });
});

t.test('nothing that asks for something is dropped', async (t) => {
  const asked = {
    ...{ denoising_strength: 0.4, tiling: true, styles: ['oil'] },
    ...{
      seed: -7,
      subseed: 'x',
      alwayson_scripts: { controlnet: {} },
      batch_size: 'two',
      s_churn: 0,
      override_settings: 'none',
    },
  };
  t.strictSame(fromA1111(asked), { request: {}, unknown: { ...asked } });
  t.strictSame(fromA1111({ override_settings: { randn_source: 'dice' } }).unknown, {
    'override_settings.randn_source': 'dice',
  });
});

t.test('options that are none', async (t) => {
  for (const options of [null, 7, 'prompt', []]) {
    t.throws(() => fromA1111(options as object), {
      name: 'DiffusionError',
      code: 'INVALID_ARGUMENT',
      message: /^options: expected an object/,
    });
  }
});
