/** The addon in a process of its own for each model: the same contract, and a crash is an error. */
import { DiffusionError } from '../../errors';
import type { NativeAddon } from '../types';
import { Cancellation, EngineProcess, NotBegun } from './engine-process';
import { type HandleDescription, mapObjects } from './protocol';

/** How objects of the engine came to be: after a crash the same call makes them again. */
interface Birth {
  readonly target: object | null;
  readonly method: string;
  readonly args: readonly unknown[];
  /** What the call gave, in order. */
  readonly handles: Handle[];
  again?: Promise<void>;
}

/** An object of the engine's process. Holds no reference to what stands for it here, so that this can be collected. */
interface Handle {
  readonly engine: IsolatedEngine;
  readonly birth: Birth;
  /** The process that has it under this id. */
  process: EngineProcess;
  id: number;
  isDisposed: boolean;
}

/** Stands for an object of the engine's process: its methods, and its properties as they were at first. */
class RemoteObject {
  [member: string]: unknown;
}

const handleOf = new WeakMap<object, Handle>();
const collected = new FinalizationRegistry<Handle>((handle) => handle.engine.forget(handle));

const isolated = new WeakSet<IsolatedAddon>();

export type IsolatedAddon = Omit<NativeAddon, 'ggmlVersion' | 'isa'>;

/** An addon in a process of its own: all its calls go there. The process ends with the last model that is loaded by it. */
export function isolatedAddon(): IsolatedAddon {
  const engine = new IsolatedEngine();
  const get = (_: object, name: string) =>
    name === 'Cancellation' ? Cancellation : (...args: unknown[]) => engine.callAddon(name, args);
  const addon = new Proxy({}, { get }) as IsolatedAddon;
  isolated.add(addon);
  return addon;
}

export function isIsolated(addon: IsolatedAddon): boolean {
  return isolated.has(addon);
}

/** The models of a process and what is made with them; it lives through its processes. */
class IsolatedEngine {
  private process_: EngineProcess | undefined;
  private models_ = 0;

  async callAddon(method: string, args: unknown[]): Promise<unknown> {
    try {
      return await this.call(null, method, args);
    } catch (error) {
      if (method === 'load' && this.models_ === 0) await this.end();
      throw error;
    }
  }

  /** A method of an object, or of the addon. If the process has died, a new one takes its place, with all that the call refers to. */
  private async call(target: object | null, method: string, args: readonly unknown[]): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      const handles = this.handlesIn(target, args);
      const process = this.running();
      const lost = handles.filter((handle) => handle.process !== process);
      try {
        const cancellation = args.find((arg) => arg instanceof Cancellation);
        if (lost.length > 0) await this.remake(lost, process, cancellation);
        const birth: Birth = { target, method, args: args.map(withoutCall), handles: [] };
        return mapObjects(await send(process, target, method, args), (description) =>
          this.adopt(description as HandleDescription, birth, process),
        );
      } catch (error) {
        if (!(error instanceof NotBegun) || attempt > 1) throw error;
      }
    }
  }

  /** An object that nobody can reach any more. */
  forget(handle: Handle): void {
    if (handle.isDisposed) return;
    handle.isDisposed = true;
    handle.process.release(handle.id);
    if (isModel(handle)) void this.leave();
  }

  /** Frees an object; the model's end is the process's. Never rejects. */
  private async dispose(proxy: object): Promise<void> {
    const handle = handleOf.get(proxy)!;
    if (handle.isDisposed) return;
    const { process } = handle;
    const freed = process.isAlive ? send(process, proxy, 'dispose', []).catch(() => {}) : undefined;
    handle.isDisposed = true;
    await freed;
    if (isModel(handle)) await this.leave();
  }

  /** The objects that a call refers to. Throws where one is disposed of, or another model's. */
  private handlesIn(target: object | null, args: readonly unknown[]): Handle[] {
    if (target && handleOf.get(target)?.isDisposed) throw new DiffusionError('DISPOSED', 'the model was disposed of');
    const found: Handle[] = [];
    mapObjects([target, ...args], (object) => {
      const handle = handleOf.get(object);
      if (handle) found.push(handle);
      return undefined;
    });
    if (found.every(({ engine, isDisposed }) => engine === this && !isDisposed)) return found;
    throw new DiffusionError('INVALID_ARGUMENT', 'expected objects of this model that are not disposed of');
  }

  private running(): EngineProcess {
    if (!this.process_?.isAlive) this.process_ = new EngineProcess();
    return this.process_;
  }

  /** A model has ended: the process does with the last one. */
  private async leave(): Promise<void> {
    if (--this.models_ === 0) await this.end();
  }

  private async end(): Promise<void> {
    await this.process_?.end(new DiffusionError('DISPOSED', 'the model was disposed of'));
  }

  /** A proxy for a new object of the process. */
  private adopt({ id, methods, properties }: HandleDescription, birth: Birth, process: EngineProcess): object {
    const handle: Handle = { engine: this, birth, process, id, isDisposed: false };
    birth.handles.push(handle);
    if (isModel(handle)) this.models_++;
    const proxy = Object.assign(new RemoteObject(), properties);
    for (const method of methods) {
      proxy[method] = (...args: unknown[]) =>
        method === 'dispose' ? this.dispose(proxy) : this.call(proxy, method, args);
    }
    handleOf.set(proxy, handle);
    collected.register(proxy, handle);
    return proxy;
  }

  /** Makes lost objects again. Rejects at once if `cancellation` is cancelled; they are made all the same. */
  private async remake(lost: readonly Handle[], process: EngineProcess, cancellation?: Cancellation): Promise<void> {
    const made = Promise.all(lost.map(({ birth }) => this.remakeAll(birth, process)));
    made.catch(() => {}); // told to whom it concerns
    const cancelled = new Promise<never>((_, reject) => {
      cancellation?.onCancel(() => reject(new DiffusionError('ABORTED', 'the call was aborted')));
    });
    await Promise.race([made, cancelled]);
  }

  private remakeAll(birth: Birth, process: EngineProcess): Promise<void> {
    birth.again ??= this.bearAgain(birth, process).finally(() => {
      birth.again = undefined;
    });
    return birth.again;
  }

  private async bearAgain({ target, method, args, handles }: Birth, process: EngineProcess): Promise<void> {
    const lost = this.handlesIn(target, args).filter((handle) => handle.process !== process);
    await Promise.all(lost.map(({ birth }) => this.remakeAll(birth, process)));
    let at = 0;
    mapObjects(await send(process, target, method, args), (description) => {
      const handle = handles[at++];
      handle.process = process;
      handle.id = (description as HandleDescription).id;
      if (handle.isDisposed) process.release(handle.id);
      return undefined;
    });
  }
}

function isModel({ birth }: Handle): boolean {
  return birth.target === null && birth.method === 'load';
}

/** The call itself, to a process that has all that it refers to. */
function send(process: EngineProcess, target: object | null, method: string, args: readonly unknown[]) {
  const callbacks = new Map<number, (...args: unknown[]) => void>();
  let cancellation: Cancellation | undefined;
  const message = args.map((arg, index) =>
    mapObjects(arg, (object) => {
      const handle = handleOf.get(object);
      if (handle) return { $ref: 'handle', id: handle.id };
      if (typeof object === 'function') {
        callbacks.set(index, object as () => void);
        return { $ref: 'callback', index };
      }
      if (!(object instanceof Cancellation))
        throw new DiffusionError('INVALID_ARGUMENT', `${method}: expected objects of this model, got another one`);
      cancellation = object;
      return { $ref: 'cancellation' };
    }),
  );
  const id = target === null ? 0 : handleOf.get(target)!.id;
  return process.call(id, method, message, {
    cancellation,
    heard: (index, heard) => callbacks.get(index)?.(...heard),
  });
}

/** An argument as it is kept for a call that is made again: nobody cancels that one or hears of it. */
function withoutCall(arg: unknown): unknown {
  return arg instanceof Cancellation || typeof arg === 'function' ? null : arg;
}
