/** The program of an engine's process: it does with the addon what the library's process orders, and ends with it. */
import { loadAddon } from '../load';
import type { NativeAddon, NativeCancellation } from '../types';
import { type HandleDescription, isReference, mapObjects, type Order, type Report } from './protocol';

type Methods = Record<string, (...args: unknown[]) => unknown>;

const handles = new Map<number, object>();
const cancellations = new Map<number, NativeCancellation>(); // of the calls that run
let nextHandle = 1;

process.on('message', (order: Order) => {
  if (order.kind === 'call') void serve(order);
  else if (order.kind === 'cancel') cancellations.get(order.id)?.cancel();
  else handles.delete(order.handle);
});
// Whatever becomes of the library's process, its channel is closed with it.
process.on('disconnect', () => process.exit());
// A terminal sends its Ctrl-C to both: what becomes of the work is for the library's process to say.
process.on('SIGINT', () => {});

async function serve({ id, target, method, args }: Order & { kind: 'call' }): Promise<void> {
  report({ kind: 'began', id });
  try {
    const addon = loadAddon();
    const object = (target === 0 ? addon : handle(target)) as Methods;
    const value = await object[method](...(mapObjects(args, (reference) => argument(id, reference, addon)) as []));
    if (method === 'dispose') handles.delete(target);
    report({ kind: 'done', id, value: mapObjects(value, describe) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    report({ kind: 'failed', id, code, message });
  } finally {
    cancellations.delete(id);
  }
}

function argument(id: number, reference: object, addon: NativeAddon): unknown {
  if (!isReference(reference)) return reference;
  if (reference.$ref === 'handle') return handle(reference.id);
  if (reference.$ref === 'callback')
    return (...args: unknown[]) => report({ kind: 'heard', id, index: reference.index, args });
  const cancellation = new addon.Cancellation();
  cancellations.set(id, cancellation);
  return cancellation;
}

function handle(id: number): object {
  const object = handles.get(id);
  if (object) return object;
  throw Object.assign(new Error('expected an object that is not disposed of'), { code: 'INVALID_ARGUMENT' });
}

/** Keeps a native object, and tells what its class has. */
function describe(object: object): HandleDescription {
  const id = nextHandle++;
  handles.set(id, object);
  const members = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object)));
  const getters = members.filter(([, { get }]) => get);
  return {
    ...{ $ref: 'handle', id },
    methods: members.flatMap(([name, { value }]) =>
      typeof value === 'function' && name !== 'constructor' ? name : [],
    ),
    properties: Object.fromEntries(getters.map(([name, { get }]) => [name, get!.call(object)])),
  };
}

function report(message: Report): void {
  process.send!(message, () => {}); // that it cannot be sent any more is told by 'disconnect'
}
