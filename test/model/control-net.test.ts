/** ControlNets against diffusers' ControlNetModel: what the UNet predicts with their maps, in both namings, and SDXL's. */
import path from 'node:path';
import t from 'tap';
import { ControlNet } from '../../lib/model/control-net';
import { Model, type PlanesShape, type Residuals } from '../../lib/model/model';
import { relativeError } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const fixture = (name: string) => path.resolve(__dirname, '..', 'fixtures', 'control', name);
const reference = readFixture(fixture('control.ref.safetensors'));
const data = (name: string) => reference.f32(name).data;
const shape = (name: string) => reference.f32(name).shape as unknown as PlanesShape;
const { timestep, tolerance } = reference.facts;

for (const [precision, most] of Object.entries({ f32: tolerance, auto: 5e-2, q8_0: 5e-2 })) {
  t.test(`the UNet's prediction with them, in ${precision}`, async (t) => {
    const options = { threads: 1, precision };
    const model = await Model.load(networkPath('avatar.safetensors'), options);
    t.teardown(() => model.dispose());
    const context = await model.createContext(data('context'), 2);
    const residuals: Record<string, Residuals> = {};
    const close = async (name: string, list: Residuals[]) => {
      const predicted = model.predictNoise(data('latents'), shape('latents'), timestep, context, undefined, {
        residuals: list,
      });
      const error = relativeError(await predicted, data(name));
      t.ok(error <= most, `${name}: relative L2 error ${error.toExponential(2)}`);
    };
    for (const name of ['edges', 'depth']) {
      const net = await ControlNet.load(fixture(`${name}.safetensors`), options);
      t.teardown(() => net.dispose());
      t.match(net.info, { family: 'controlnet', components: { unet: false }, controlNet: { downscale: 4, maps: 7 } });
      const hint = await net.model.embedHint(data(`hint.${name}`), shape(`hint.${name}`));
      const own = await net.model.createContext(data('context'), 2);
      const at = (strength: number) =>
        net.model.controlResiduals(
          ...([data('latents'), shape('latents'), timestep, own, hint] as const),
          new Float32Array(14).fill(strength),
        );
      residuals[name] = await at(1);
      residuals[`half ${name}`] = await at(0.5);
      residuals.none = await at(0);
      await close(`${name}.noise`, [residuals[name]]);
    }
    await close('both.noise', [residuals.edges, residuals['half depth']]);
    await close('plain', [residuals.none]);
    await close('plain', []);
  });
}

t.test("Stable Diffusion XL's, which knows the size and the pooled text", async (t) => {
  const options = { threads: 1, precision: 'f32', only: undefined };
  const model = await Model.load(networkPath('sdxl.safetensors'), options);
  const net = await ControlNet.load(fixture('sdxl.safetensors'), options);
  t.teardown(() => Promise.all([model.dispose(), net.dispose()]));
  const addition = { pooled: data('sdxl.pooled'), sizeNumbers: data('sdxl.sizes') };
  const context = await model.createContext(data('sdxl.context'), 2, undefined, addition);
  const own = await net.model.createContext(data('sdxl.context'), 2, undefined, addition);
  const hint = await net.model.embedHint(data('sdxl.hint'), shape('sdxl.hint'));
  const strengths = new Float32Array(2 * net.info.controlNet!.maps).fill(1);
  const [latents, size] = [data('sdxl.latents'), shape('sdxl.latents')];
  const residuals = await net.model.controlResiduals(latents, size, timestep, own, hint, strengths);
  const noise = await model.predictNoise(latents, size, timestep, context, undefined, { residuals: [residuals] });
  const error = relativeError(noise, data('sdxl.noise'));
  t.ok(error <= tolerance, `relative L2 error ${error.toExponential(2)}`);
});

t.test('what does not fit', async (t) => {
  const options = { threads: 1 };
  const model = await Model.load(networkPath('avatar.safetensors'), options);
  const net = await ControlNet.load(fixture('edges.safetensors'), options);
  t.teardown(() => Promise.all([model.dispose(), net.dispose()]));
  const context = await model.createContext(data('context'), 2);
  const own = await net.model.createContext(data('context'), 2);
  const hint = await net.model.embedHint(data('hint.edges'), shape('hint.edges'));
  const [latents, size] = [data('latents'), shape('latents')];
  const strengths = new Float32Array(14).fill(1);
  const residuals = await net.model.controlResiduals(latents, size, timestep, own, hint, strengths);
  const refused = (call: Promise<unknown>, message: RegExp, code = 'INVALID_ARGUMENT') =>
    t.rejects(call, { code, message });
  await refused(net.model.embedHint(new Float32Array(3 * 30 * 30), [1, 3, 30, 30]), /^hint: .*multiples of 4/);
  await refused(net.model.controlResiduals(latents, size, timestep, own, hint, new Float32Array(3)), /^strengths/);
  await refused(net.model.controlResiduals(latents, size, timestep, context, hint, strengths), /^context/);
  await refused(net.model.predictNoise(latents, size, timestep, own), /UNet/, 'MISSING_COMPONENT');
  await refused(model.embedHint(data('hint.edges'), shape('hint.edges')), /ControlNet/, 'MISSING_COMPONENT');
  const one = latents.slice(0, 256);
  const predict = (...list: unknown[]) =>
    model.predictNoise(one, [1, 4, 8, 8], timestep, context, undefined, { residuals: list as Residuals[] });
  await refused(predict(residuals), /^residuals: .*of the same latents/);
  await refused(predict(hint), /^residuals: expected a Residuals/);
  await refused(predict({}), /^residuals: expected a Residuals/);
  residuals.dispose();
  await refused(predict(residuals), /not disposed of/);
  await refused(ControlNet.load(networkPath('avatar.safetensors')), /expected a ControlNet/, 'MISSING_COMPONENT');
});
