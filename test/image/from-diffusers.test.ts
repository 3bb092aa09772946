import t from 'tap';
import { fromDiffusers } from '../../lib/image/from-diffusers';
import type { Txt2ImgRequest } from '../../lib/pipeline/request';

const stepping = (options: object) => {
  const { request, unknown } = fromDiffusers(options);
  return [request.sampler, request.schedule, unknown];
};

t.test('a pipeline’s call', async (t) => {
  const { request, unknown } = fromDiffusers({
    ...{
      prompt: 'a cat',
      negative_prompt: 'blurry',
      num_inference_steps: 25,
      guidance_scale: 7.5,
      guidance_rescale: 0.7,
      width: 512,
      height: 768,
    },
    ...{ num_images_per_prompt: 2, generator: 42, clip_skip: 1, scheduler: 'DPMSolverMultistepScheduler' },
    ...{ use_karras_sigmas: true, output_type: 'pil', cross_attention_kwargs: { scale: 0.5 } },
  });
  t.strictSame(request, {
    ...{
      prompt: 'a cat',
      negativePrompt: 'blurry',
      steps: 25,
      sampler: 'dpmpp_2m',
      schedule: 'karras',
      cfgScale: 7.5,
      cfgRescale: 0.7,
    },
    ...{ seed: 42, rng: 'torch', width: 512, height: 768, batchSize: 2, clipSkip: 2 },
  });
  t.strictSame(unknown, { output_type: 'pil', cross_attention_kwargs: { scale: 0.5 } });
  const sizes = { original_size: [48, 64], crops_coords_top_left: [4, 8], target_size: [40, 32], aesthetic_score: 6 };
  t.strictSame(fromDiffusers({ ...sizes, negative_aesthetic_score: 2.5, negative_original_size: [8, 8] }), {
    request: {
      ...{ originalSize: { width: 64, height: 48 }, cropTopLeft: { top: 4, left: 8 } },
      ...{ targetSize: { width: 32, height: 40 }, aestheticScore: 6, negativeAestheticScore: 2.5 },
    },
    unknown: { negative_original_size: [8, 8] },
  });
  const accepted: Txt2ImgRequest = { prompt: '', ...request };
  t.equal(accepted.prompt, 'a cat');
  t.strictSame(fromDiffusers({ pag_scale: 3, pag_applied_layers: ['mid', 'up_blocks.0'] }), {
    request: { pagScale: 3, pagLayers: ['mid', 'up.0'] },
    unknown: {},
  });
  t.strictSame(fromDiffusers({ pag_scale: 3, pag_applied_layers: 'mid' }).request.pagLayers, ['mid']);
  const one = { pag_applied_layers: ['mid', 'up_blocks.0.attentions.0'] };
  t.strictSame(fromDiffusers(one), { request: {}, unknown: one }, 'single attentions have no counterpart');
  t.strictSame(fromDiffusers({}), { request: {}, unknown: {} });
  t.equal(fromDiffusers({ guidance_scale: 0 }).request.cfgScale, 1, 'what is off is off');
});

t.test('Stable Diffusion’s scheduler_config.json', async (t) => {
  const config = {
    ...{ _class_name: 'PNDMScheduler', _diffusers_version: '0.6.0', beta_end: 0.012, beta_schedule: 'scaled_linear' },
    ...{
      beta_start: 0.00085,
      num_train_timesteps: 1000,
      set_alpha_to_one: false,
      skip_prk_steps: true,
      steps_offset: 1,
    },
    ...{ trained_betas: null, clip_sample: false },
  };
  const unknown = {
    ...{ _diffusers_version: '0.6.0', beta_end: 0.012, beta_schedule: 'scaled_linear', beta_start: 0.00085 },
    num_train_timesteps: 1000,
  };
  t.strictSame(stepping({ scheduler: config }), ['plms', 'leading', unknown]);
  t.strictSame(stepping({ scheduler_config: config }), ['plms', 'leading', unknown]);
  t.strictSame(stepping(config), ['plms', 'leading', unknown]);
  t.strictSame(stepping({ scheduler: 'PNDMScheduler' }), ['pndm', 'leading', {}]);
});

t.test('each class with its own defaults', async (t) => {
  for (const [scheduler, config, sampler, schedule] of [
    ['DDIMScheduler', {}, 'ddim', 'leading'],
    ['DDIMScheduler', { timestep_spacing: 'trailing' }, 'ddim', 'trailing'],
    ['DDIMScheduler', { timestep_spacing: 'linspace' }, 'ddim', 'linspace'],
    ['DDPMScheduler', {}, 'ddpm', 'leading'],
    ['EulerDiscreteScheduler', {}, 'euler', 'discrete'],
    ['EulerDiscreteScheduler', { timestep_spacing: 'leading' }, 'euler', 'leading'],
    ['EulerDiscreteScheduler', { timestep_spacing: 'leading', use_karras_sigmas: true }, 'euler', 'karras'],
    ['EulerDiscreteScheduler', { use_exponential_sigmas: true }, 'euler', 'exponential'],
    ['EulerDiscreteScheduler', { use_beta_sigmas: true }, 'euler', 'beta'],
    ['EulerAncestralDiscreteScheduler', {}, 'euler_a', 'discrete'],
    ['HeunDiscreteScheduler', {}, 'heun', 'discrete'],
    ['LMSDiscreteScheduler', {}, 'lms', 'discrete'],
    ['KDPM2DiscreteScheduler', {}, 'dpm2', 'discrete'],
    ['KDPM2AncestralDiscreteScheduler', {}, 'dpm2_a', 'discrete'],
    ['DPMSolverSDEScheduler', {}, 'dpmpp_sde', 'discrete'],
    ['DPMSolverMultistepScheduler', {}, 'dpmpp_2m', 'sgm_uniform'],
    ['DPMSolverMultistepScheduler', { algorithm_type: 'dpmsolver++', solver_order: 2 }, 'dpmpp_2m', 'sgm_uniform'],
    [
      'DPMSolverMultistepScheduler',
      { algorithm_type: 'sde-dpmsolver++', use_karras_sigmas: true },
      'dpmpp_2m_sde',
      'karras',
    ],
    ['DPMSolverMultistepScheduler', { solver_order: 1 }, 'ddim', 'sgm_uniform'],
    ['UniPCMultistepScheduler', { solver_order: 2, solver_type: 'bh2' }, 'unipc', 'sgm_uniform'],
    ['DEISMultistepScheduler', { solver_order: 3 }, 'deis', 'sgm_uniform'],
    ['IPNDMScheduler', {}, 'ipndm', 'linspace'],
    ['LCMScheduler', { original_inference_steps: 50, timestep_spacing: 'leading' }, 'lcm', 'lcm'],
    ['TCDScheduler', {}, 'tcd', 'lcm'],
  ] as const) {
    t.strictSame(stepping({ scheduler, ...config }), [sampler, schedule, {}], `${scheduler} ${JSON.stringify(config)}`);
  }
});

t.test('configuration that has no counterpart is reported', async (t) => {
  for (const [scheduler, config] of [
    ['DPMSolverMultistepScheduler', { solver_order: 3 }],
    ['DPMSolverMultistepScheduler', { algorithm_type: 'dpmsolver' }],
    ['DPMSolverMultistepScheduler', { solver_type: 'heun', final_sigmas_type: 'sigma_min', use_lu_lambdas: true }],
    ['UniPCMultistepScheduler', { solver_order: 3 }],
    ['DEISMultistepScheduler', { solver_order: 2 }],
    ['DDIMScheduler', { timestep_spacing: 'odd', steps_offset: 2, rescale_betas_zero_snr: true }],
    ['EulerDiscreteScheduler', { use_karras_sigmas: 'yes' }],
    ['LCMScheduler', { timestep_spacing: 'trailing' }],
  ] as const) {
    t.strictSame(fromDiffusers({ scheduler, ...config }).unknown, config, `${scheduler} ${JSON.stringify(config)}`);
  }
  const unheard = {
    scheduler: 'EDMEulerScheduler',
    use_karras_sigmas: true,
    timesteps: [999, 1],
    generator: 'x',
    seed: -1,
  };
  t.strictSame(fromDiffusers(unheard), { request: {}, unknown: unheard });
  t.strictSame(fromDiffusers({ scheduler: 'constructor' }), { request: {}, unknown: { scheduler: 'constructor' } });
  t.strictSame(fromDiffusers({ scheduler_config: 'file.json' }).unknown, { scheduler_config: 'file.json' });
});

t.test('where noise is drawn', async (t) => {
  t.strictSame(fromDiffusers({ seed: 2n ** 60n }).request, { seed: 2n ** 60n, rng: 'torch' });
  t.strictSame(fromDiffusers({ generator: { device: 'cuda', seed: 5 } }).request, { seed: 5, rng: 'philox' });
  t.strictSame(fromDiffusers({ generator: { seed: 5 } }).request, { seed: 5, rng: 'torch' });
  t.strictSame(fromDiffusers({ generator: { device: 'cpu' } }).unknown, { generator: { device: 'cpu' } });
});

t.test('eta is heeded by the schedulers that look at it', async (t) => {
  t.strictSame(fromDiffusers({ scheduler: 'DDIMScheduler', eta: 0 }).request.eta, 0);
  t.strictSame(fromDiffusers({ scheduler: 'EulerAncestralDiscreteScheduler', eta: 0 }).request.eta, undefined);
  t.strictSame(fromDiffusers({ scheduler: 'EulerDiscreteScheduler', eta: 0.5 }).unknown, { eta: 0.5 });
});

t.test('options that are none', async (t) => {
  for (const options of [null, 7, 'prompt', []]) {
    t.throws(() => fromDiffusers(options as object), {
      name: 'DiffusionError',
      code: 'INVALID_ARGUMENT',
      message: /^options/,
    });
  }
});
