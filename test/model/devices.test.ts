/** Which devices there are, and what becomes of a model that is to run on one. */
import t from 'tap';
import { listDevices, Model } from '../../lib/index';
import { deviceNames } from '../../lib/model/devices';
import { networkPath } from '../support/safetensors';

const avatar = networkPath('avatar.safetensors');

t.test('the CPU comes first, then every other device with the reason where it cannot be used', async (t) => {
  const [cpu, ...others] = await listDevices();
  t.match(cpu, { name: 'cpu', kind: 'cpu', usable: true, instructionSet: /^(scalar|avx2|avx512)$/ });
  t.ok(cpu.threads >= 1 && cpu.memoryBytes > 2 ** 28 && cpu.freeMemoryBytes <= cpu.memoryBytes);
  t.strictSame(new Set(['auto', 'cpu', ...others.map(({ name }) => name)]), new Set(deviceNames));
  for (const { name, usable, reason, description } of others) {
    t.equal(usable, reason === undefined, name);
    if (usable) t.not(description, '', name);
    else t.match(reason, /this build of the addon has no|was found|could not be started|failed its probe/, name);
  }
});

t.test('auto and cpu', async (t) => {
  const devices = await listDevices();
  const gpu = devices.find(({ kind, usable }) => kind === 'gpu' && usable);
  for (const [device, expected] of [
    ['auto', gpu?.name ?? 'cpu'],
    [undefined, gpu?.name ?? 'cpu'],
    ['cpu', 'cpu'],
  ] as const) {
    await using model = await Model.load(avatar, { device, threads: 1 });
    t.equal(model.info.device, expected);
    t.notOk('deviceReason' in model.info);
  }
});

t.test('a device that cannot be used is an error that says why, and which can', async (t) => {
  for (const { name, usable, reason } of await listDevices()) {
    for (const isolate of usable ? [] : [false, true]) {
      const error = await Model.load(avatar, { device: name, isolate }).catch((error) => error);
      t.match(error, { name: 'DiffusionError', code: 'DEVICE_UNAVAILABLE' });
      t.match(error.message, 'device: expected one that can be used here, of auto, cpu');
      t.ok(error.message.endsWith(`but got ${name}: ${reason}`), error.message);
    }
  }
});
