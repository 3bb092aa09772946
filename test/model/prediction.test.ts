/** What a network predicts: what files tell, and what the user may say over it. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { inspectModel, Model, type PredictionOptions } from '../../lib/index';
import { chosenPrediction } from '../../lib/model/prediction';
import { networkPath } from '../support/safetensors';
import { type Header, writeAltered } from './altered-file';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const avatar = networkPath('avatar.safetensors');

async function predictionOf(file: string) {
  const { type, zeroTerminalSnr, flowShift } = (await inspectModel(file)).prediction;
  return { type, zeroTerminalSnr, ...(flowShift === undefined ? {} : { flowShift }) };
}

t.test('a scheduler configuration', async (t) => {
  const model = path.join(folder, 'linear');
  cpSync(networkPath('linear'), model, { recursive: true });
  const read = (config: object) => {
    writeFileSync(path.join(model, 'scheduler', 'scheduler_config.json'), JSON.stringify(config));
    return predictionOf(model);
  };
  const flow = { type: 'flow', zeroTerminalSnr: false };
  const known: [config: object, found: object][] = [
    [{}, { type: 'epsilon', zeroTerminalSnr: false }],
    [{ prediction_type: 'sample' }, { type: 'x0', zeroTerminalSnr: false }],
    [
      { prediction_type: 'v_prediction', rescale_betas_zero_snr: true },
      { type: 'v_prediction', zeroTerminalSnr: true },
    ],
    [
      { prediction_type: 'v_prediction', rescale_betas_zero_snr: null },
      { type: 'v_prediction', zeroTerminalSnr: false },
    ],
    [{ _class_name: 'FlowMatchEulerDiscreteScheduler' }, { ...flow, flowShift: 1 }],
    [
      { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3, use_dynamic_shifting: false },
      { ...flow, flowShift: 3 },
    ],
    [
      { _class_name: 'UniPCMultistepScheduler', prediction_type: 'flow_prediction', flow_shift: 2.5 },
      { ...flow, flowShift: 2.5 },
    ],
  ];
  for (const [config, found] of known) t.strictSame(await read(config), found, JSON.stringify(config));
  const refused: [config: object, code: string, message: RegExp][] = [
    [{ prediction_type: 'score' }, 'UNKNOWN_ARCHITECTURE', /prediction_type score is none of epsilon/],
    [{ prediction_type: 3 }, 'FILE_INVALID', /prediction_type has an unexpected value: 3/],
    [{ rescale_betas_zero_snr: 'yes' }, 'FILE_INVALID', /rescale_betas_zero_snr has an unexpected value/],
    [
      { _class_name: 'FlowMatchHeunDiscreteScheduler', shift: 0 },
      'FILE_INVALID',
      /shift must be a finite number above 0/,
    ],
    [
      { _class_name: 'FlowMatchEulerDiscreteScheduler', use_dynamic_shifting: true },
      'UNKNOWN_ARCHITECTURE',
      /use_dynamic_shifting/,
    ],
  ];
  for (const [config, code, message] of refused) await t.rejects(read(config), { code, message });
});

t.test('marks in a single file', async (t) => {
  /** A copy whose own configuration does not tell. */
  const read = (change: (header: Header, metadata: Record<string, string>) => void) =>
    predictionOf(
      writeAltered(networkPath('sd1.safetensors'), path.join(folder, 'marked.safetensors'), (header) => {
        const metadata = header.__metadata__ as Record<string, string>;
        const { scheduler: _, ...config } = JSON.parse(metadata['node-diffusion.config']);
        metadata['node-diffusion.config'] = JSON.stringify(config);
        change(header, metadata);
      }),
    );
  const empty = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
  const velocity = { type: 'v_prediction', zeroTerminalSnr: false };
  const epsilon = { type: 'epsilon', zeroTerminalSnr: false };
  t.strictSame(await read(() => {}), epsilon, 'none');
  t.strictSame(await read((header) => Object.assign(header, { v_pred: empty })), velocity, 'v_pred');
  t.strictSame(
    await read((header) => Object.assign(header, { v_pred: empty, ztsnr: empty })),
    { type: 'v_prediction', zeroTerminalSnr: true },
    'v_pred and ztsnr',
  );
  t.strictSame(await read((header) => Object.assign(header, { ztsnr: empty })), epsilon, 'ztsnr alone');
  for (const key of ['modelspec.prediction_type', 'modelspec.predict_key']) {
    t.strictSame(await read((_, metadata) => Object.assign(metadata, { [key]: 'v' })), velocity, `${key}: v`);
    t.strictSame(
      await read((_, metadata) => Object.assign(metadata, { [key]: 'epsilon' })),
      epsilon,
      `${key}: epsilon`,
    );
    t.strictSame(await read((_, metadata) => Object.assign(metadata, { [key]: 'score' })), epsilon, `${key}: unknown`);
  }
  const own = writeAltered(networkPath('sd1.safetensors'), path.join(folder, 'own.safetensors'), (header) =>
    Object.assign(header, { v_pred: empty }),
  );
  t.strictSame(await predictionOf(own), epsilon, 'never over its own configuration');
});

t.test("the user's word over the file's", async (t) => {
  const found = (await inspectModel(avatar)).prediction;
  t.strictSame(chosenPrediction(found, {}), found);
  const flow = chosenPrediction(found, { prediction: 'flow' });
  t.match(flow, { type: 'flow', zeroTerminalSnr: false, flowShift: 1, trainSteps: 1000 });
  t.equal(chosenPrediction({ ...flow, flowShift: 3 }, { flowShift: undefined }).flowShift, 3);
  t.equal(chosenPrediction(flow, { prediction: 'epsilon' }).flowShift, undefined);
  const zero = { ...found, zeroTerminalSnr: true };
  t.match(
    chosenPrediction(zero, { prediction: 'x0' }),
    { type: 'x0', zeroTerminalSnr: true },
    'levels stay those of the file',
  );
  t.equal(chosenPrediction(zero, { zeroTerminalSnr: false }).zeroTerminalSnr, false);
  t.equal(chosenPrediction(zero, { prediction: 'flow' }).zeroTerminalSnr, false);

  const model = await Model.load(avatar, { threads: 1, prediction: 'x0', zeroTerminalSnr: true });
  t.teardown(() => model.dispose());
  t.match(model.info, { family: 'custom', prediction: { type: 'x0', zeroTerminalSnr: true } });
  const refused: [options: object, message: RegExp][] = [
    [{ prediction: 'sample' }, /^prediction: expected one of epsilon, v_prediction, x0, flow, got 'sample'$/],
    [{ prediction: null }, /^prediction: .* got an object$/],
    [{ zeroTerminalSnr: 1 }, /^zeroTerminalSnr: expected true or false, got 1$/],
    [{ flowShift: 0 }, /^flowShift: expected a finite number above 0, got 0$/],
    [{ flowShift: 2 }, /^flowShift: expected none, since the network predicts v_prediction, got 2$/],
    [{ prediction: 'flow', zeroTerminalSnr: true }, /^zeroTerminalSnr: expected false for a flow/],
  ];
  for (const [options, message] of refused) {
    const error = { code: 'INVALID_ARGUMENT', message };
    await t.rejects(Model.load(avatar, { threads: 1, ...(options as PredictionOptions) }), error);
  }
});
