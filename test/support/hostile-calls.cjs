'use strict';
// A program that makes every native call with anything at all and has to live. argv: calls, seed, a file that hears each call before it
// is made, a model with text and one without, a LoRA and a ControlNet for the first, an upscaler. Every call must end with a value, a TypeError of the engine's own (wrong `this`), an Error
// with a code of ours, or what a getter of the caller threw. Prints what came of the calls as JSON; exits with 1 at anything else.
const fs = require('node:fs');
const path = require('node:path');
const fc = require('fast-check');
const { anything, thrown } = require('./hostile-values.cjs');

const [calls, seed] = process.argv.slice(2, 4).map(Number);
const [log, withText, withoutText, loraFile, controlFile, upscalerFile] = process.argv.slice(4);
const addon = require('node-gyp-build')(path.resolve(__dirname, '..', '..'));
const { errorCodes } = require('../../dist/errors');
const options = { precision: 'auto', threads: 2, memoryBudgetBytes: null };
const output = fs.openSync(log, 'w');
const outcomes = {};

// The handles that calls are made with. Old ones leave, disposed of or not.
const world = {
  addon,
  handles: {
    ...{ model: [], context: [], cancellation: [], lora: [], adapters: [] },
    // A ControlNet's model and contexts, what it makes, and an upscaler's model.
    ...{ control: [], controlContext: [], hint: [], residuals: [], upscaler: [] },
  },
  next: 0,
  keep(kind, handle) {
    const list = world.handles[kind];
    if (list.length < 6) return list.push(handle);
    const [old] = list.splice(world.next++ % 6, 1, handle);
    if (typeof old.predictNoise === 'function' && world.next % 2) old.dispose().catch(() => {});
  },
  pick(kind, index) {
    const list = world.handles[kind];
    return list[index % list.length];
  },
  // What a getter does in the middle of a call.
  disturb() {
    const model = world.pick('model', world.next++);
    if (world.next % 20 === 0) model?.dispose().catch(() => {});
    if (world.next % 7 === 0) world.pick('context', world.next)?.dispose();
    if (world.next % 11 === 0) world.pick('lora', world.next)?.dispose();
    if (world.next % 13 === 0) world.pick('adapters', world.next)?.dispose();
    if (world.next % 17 === 0) world.pick('hint', world.next)?.dispose();
    if (world.next % 19 === 0) world.pick('residuals', world.next)?.dispose();
  },
  construct: (Type) => attempt(() => new Type()),
  // Gives a real handle the prototype of another class for as long as the call reads its arguments.
  disguise(handle, prototype) {
    if (!handle) return null;
    const own = Object.getPrototypeOf(handle);
    Object.setPrototypeOf(handle, prototype);
    world.after.push(() => Object.setPrototypeOf(handle, own));
    return handle;
  },
  after: [],
};

function attempt(call) {
  try {
    return call();
  } catch {
    return null;
  }
}

function judge(error) {
  if (error === thrown) return 'thrown by a getter';
  if (error instanceof Error && Object.hasOwn(errorCodes, error.code ?? '')) return error.code;
  if (error instanceof TypeError || error instanceof RangeError) return error.name;
  throw new Error(`a call ended with ${error?.stack ?? String(error)}`);
}

const floats = (length) => new Float32Array(length).map((_, i) => Math.sin(i));

const memory = { width: 64, height: 64, batchSize: 1, rows: 1, windows: 1, encodesPictures: true };
const disposables = ['context', 'lora', 'adapters', 'hint', 'residuals', 'controlContext'];

const predictions = [null, {}, { perturbed: { kind: 'skip', blocks: ['mid'] } }, { guidance: 2 }];

// Good arguments of every function, of which some are then replaced.
function goodCall(name, index) {
  const model = world.pick('model', index);
  const info = attempt(() => model.info) ?? { unet: { inChannels: 4, contextWidth: 0 } };
  const text = info.textEncoder?.width ?? 8;
  const side = [8, 8, 16, 4][index % 4];
  const rows = 1 + (index % 2);
  const channels = info.unet?.inChannels ?? 4;
  const latents = [floats(channels * side * side), [1, channels, side, side]];
  const net = world.pick('control', index);
  const residuals = index % 4 ? [] : [world.pick('residuals', index)].flatMap((one) => one ?? []);
  const cancellation = index % 3 ? null : new addon.Cancellation();
  if (cancellation) world.keep('cancellation', cancellation);
  const context = info.unet?.contextWidth ? world.pick('context', index) : null;
  const adapters = index % 3 ? null : world.pick('adapters', index);
  const ids = new Int32Array(77 * rows).fill(index % 4 ? 3 : (info.textEncoder?.vocabularySize ?? 0));
  const vectors = index % 2 ? null : floats(text);
  const use = { lora: world.pick('lora', index), unetWeight: 1, textEncoderWeight: index % 2 };
  const good = {
    info: () => [model, []],
    encodeText: () => [model, [ids, rows, 0, 1, cancellation, adapters, vectors]],
    createContext: () => [model, [floats(77 * text * rows), rows, null, cancellation, adapters]],
    predictNoise: () => {
      const prediction = residuals.length > 0 ? { residuals } : predictions[index % 4];
      return [model, [...latents, 500, context, prediction, cancellation]];
    },
    decode: () => [model, [...latents, cancellation]],
    encode: () => [model, [floats(3 * 32 * 32), [1, 3, 32, 32], cancellation]],
    stats: () => [model, []],
    loadLora: () => [index % 2 ? addon : model, [loraFile]],
    readTensors: () => [addon, [loraFile]],
    createAdapters: () => [model, [index % 5 ? [use] : [use, use]]],
    reports: () => [world.pick('adapters', index), []],
    embedHint: () => [net, [floats(3 * 32 * 32), [1, 3, 32, 32], cancellation]],
    controlResiduals: () => {
      const strengths = floats(rows * (attempt(() => net.info.controlNet.maps) ?? 1));
      const place = [floats(4 * 64), [1, 4, 8, 8], 500, world.pick('controlContext', index)];
      return [net, [...place, world.pick('hint', index), strengths, cancellation]];
    },
    upscale: () => [world.pick('upscaler', index), [floats(3 * 64), [1, 3, 8, 8], cancellation, () => {}]],
    dispose: () => [index % 5 ? world.pick(disposables[index % disposables.length], index) : model, []],
    rows: () => [world.pick('context', index), []],
    cancel: () => [world.pick('cancellation', index), []],
    inspect: () => [addon, [withText]],
    measurePeaks: () => [addon, [rows, 0, cancellation]],
    measure: () => [addon, [withText, options, { ...memory, rows }]],
    load: () => {
      const file = [withoutText, withText, controlFile, upscalerFile][index % 4];
      const vae = index % 8 === 1 ? { only: 'vae', scalingFactor: 0.2 } : {};
      return [addon, [file, { ...options, ...vae }, cancellation, () => {}]];
    },
    constructor: () => [undefined, []],
  };
  return good[name]();
}

// The function of that name, as anybody can get hold of it, getters included.
function find(name, self, index) {
  const owners = [self, ...Object.keys(world.handles).map((kind) => world.pick(kind, index))];
  for (let owner of owners) {
    for (; owner instanceof Object; owner = Object.getPrototypeOf(owner)) {
      const found = attempt(() => Object.getOwnPropertyDescriptor(owner, name));
      const callable = found?.get ?? found?.value;
      if (typeof callable === 'function') return callable;
    }
  }
  return addon.inspect;
}

const names =
  'info encodeText createContext predictNoise decode encode createAdapters embedHint controlResiduals upscale measure loadLora reports readTensors stats dispose rows cancel inspect measurePeaks load constructor'.split(
    ' ',
  );
const aCall = fc.record({
  // Loading and disposing are rarer, so that most calls meet a model.
  name: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...names.slice(1, 11)) },
    { weight: 2, arbitrary: fc.constantFrom(...names) },
  ),
  index: fc.nat(1000),
  // Argument number -> what takes its place; -1 is `this`.
  changes: fc.array(fc.tuple(fc.integer({ min: -1, max: 6 }), anything), { maxLength: 2 }),
  how: fc.integer({ min: 0, max: 19 }),
  wait: fc.integer({ min: 0, max: 3 }),
});

function describe(value) {
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  return attempt(() => JSON.stringify(value)?.slice(0, 60)) ?? Object.prototype.toString.call(value);
}

function keepResult(value) {
  if (!(value instanceof Object)) return;
  const kind = attempt(() => value.info.controlNet)
    ? 'control'
    : attempt(() => value.info.upscaler)
      ? 'upscaler'
      : 'model';
  if (attempt(() => typeof value.predictNoise === 'function')) world.keep(kind, value);
  else if (attempt(() => typeof value.rows === 'number' && value.rows > 0)) world.keep('context', value);
  else if (attempt(() => value.info.kinds)) world.keep('lora', value);
  else if (attempt(() => Array.isArray(value.reports))) world.keep('adapters', value);
  else if (attempt(() => value.constructor.name) === 'Hint') world.keep('hint', value);
  else if (attempt(() => value.constructor.name) === 'Residuals') world.keep('residuals', value);
}

// Makes one call; a promise of how it ended.
async function make({ name, index, changes, how }) {
  const call = goodCall(name, index);
  if (!call) return 'nothing to call';
  let [self, args] = call;
  const method = find(name, self, index);
  for (const [place, value] of changes) {
    const made = value(world);
    if (place < 0) self = made;
    else args = Object.assign([...args], { [place]: made });
  }
  fs.writeSync(output, `${name}(${args.map(describe).join(', ')}) on ${describe(self)}, way ${how}\n`);
  try {
    let result;
    if (how === 0) result = Reflect.construct(method, args);
    else if (how === 1) result = method(...args);
    else if (how === 2) result = Reflect.construct(addon.Cancellation, args, class {});
    else if (how === 3) result = Reflect.construct(world.pick('model', index).constructor, args, method);
    else result = Reflect.apply(method, self, args);
    for (const undo of world.after.splice(0)) undo();
    result = await result;
    keepResult(result);
    return 'value';
  } catch (error) {
    return judge(error);
  } finally {
    for (const undo of world.after.splice(0)) undo();
  }
}

async function refill() {
  if (world.handles.model.length >= 3 && Math.random() < 0.9) return;
  for (const file of [withText, withoutText]) world.keep('model', await addon.load(file, options, null, null));
  const control = await addon.load(controlFile, options, null, null);
  world.keep('control', control);
  world.keep('upscaler', await addon.load(upscalerFile, options, null, null));
  world.keep('hint', await control.embedHint(floats(3 * 32 * 32), [1, 3, 32, 32], null));
  const model = world.handles.model.find((one) => attempt(() => one.info.textEncoder));
  for (const rows of [1, 2]) {
    const embeddings = floats(77 * (attempt(() => model.info.textEncoder.width) ?? 1) * rows);
    const context = await attempt(() => model.createContext(embeddings, rows, null, null))?.catch(() => null);
    if (context) world.keep('context', context);
    const text = control.info.unet.contextWidth;
    world.keep('controlContext', await control.createContext(floats(77 * text * rows), rows, null, null));
    const lora = await addon.loadLora(loraFile);
    world.keep('lora', lora);
    const use = { lora, unetWeight: rows, textEncoderWeight: 1 };
    const adapters = await attempt(() => model.createAdapters([use]))?.catch(() => null);
    if (adapters) world.keep('adapters', adapters);
  }
}

async function main() {
  const perProgram = 25;
  let made = 0;
  const program = fc.asyncProperty(fc.array(aCall, { minLength: perProgram, maxLength: perProgram }), async (list) => {
    await refill();
    const waiting = [];
    for (const call of list) {
      const end = make(call).then((outcome) => {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        made++;
      });
      waiting.push(end);
      if (call.wait === 0) await end;
    }
    await Promise.all(waiting);
  });
  await fc.assert(program, {
    seed,
    numRuns: Math.ceil(calls / perProgram),
    endOnFailure: true,
    includeErrorInReport: false,
  });
  const { model: models, control, upscaler } = world.handles;
  for (const model of [...models, ...control, ...upscaler]) await model.dispose().catch(() => {});
  console.log(JSON.stringify({ made, outcomes }));
}

main().catch((error) => {
  console.error(error?.cause?.stack ?? error);
  process.exit(1);
});
