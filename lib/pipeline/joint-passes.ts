/** The UNet's passes: those of requests that are in flight together become one where they can. */
import { setImmediate } from 'node:timers/promises';
import { DiffusionError } from '../errors';
import type { AdapterSet } from '../model/adapters';
import type { Addition, Context, Model, PlanesShape, PredictOptions } from '../model/model';
import { Line, rejectAborted, type Waiting } from './line';

/** A pass that a request asks for. */
export interface AskedPass {
  readonly context: Context;
  /** f32 `[rows, tokens, width]`: what the context was made of. */
  readonly embeddings: Float32Array;
  readonly addition?: Addition;
  /** f32 of `shape`, or `[rows, ...shape]` where each row has its own. */
  readonly latents: Float32Array;
  readonly shape: PlanesShape;
  readonly timestep: number;
  /** The highest goes first; see `SamplingRequest`. Default 0. */
  readonly priority?: number;
  /** What the UNet is changed by, with the context. */
  readonly adapters?: AdapterSet;
  readonly signal?: AbortSignal;
  readonly options?: PredictOptions;
}

interface Asking extends Waiting {
  readonly ask: AskedPass;
  resolve(rows: Float32Array): void;
}

/** Latents in a joint pass, rows times pictures times their size: 8 of 64 x 64. It bounds the memory. */
const mostLatents = 2 ** 15;

/** Passes in a row with the same LoRAs while others wait: changing them means computing weights anew. */
const mostInTurn = 8;

/** Joint contexts kept at once, where the prompts of several requests change with the step. */
const contextLimit = 8;

/**
 * Passes by priority and in the order in which they were asked for, one at a time. Those of one priority that wait with the same
 * timestep, sizes and options are run as rows of one: no value of a row depends on the others, so nobody's bytes change. Requests that begin together
 * and take the same steps come to go together; a request that joins later keeps its own steps, and takes turns. Requests
 * with other LoRAs never go together, and take turns of {@link mostInTurn}.
 */
export class JointPasses {
  private readonly line_ = new Line<Asking>();
  private isRunning_ = false;
  private readonly contexts_ = new Map<string, { members: readonly Context[]; context: Context }>();
  private readonly ids_ = new WeakMap<Context, number>();
  private nextId_ = 0;
  private turn_ = { adapters: '', passes: 0 };

  constructor(private readonly model_: Pick<Model, 'predictNoise' | 'createContext'>) {}

  /** f32 `[rows, ...shape]`, of the UNet's output channels. */
  async predict(ask: AskedPass): Promise<Float32Array> {
    const { priority, signal } = ask;
    return new Promise((resolve, reject) => {
      this.line_.join({ ask, priority, signal, resolve, reject });
      if (!this.isRunning_) void this.run();
    });
  }

  /** Gives back the memory of joint passes that a context took part in. */
  forget(member: Context): void {
    for (const [key, { members, context }] of this.contexts_) {
      if (!members.includes(member)) continue;
      this.contexts_.delete(key);
      context.dispose();
    }
  }

  private async run(): Promise<void> {
    this.isRunning_ = true;
    for (;;) {
      await setImmediate(); // lets those ask who were in the last pass
      const group = this.takeGroup();
      if (group.length === 0) break;
      await this.serve(group);
    }
    this.isRunning_ = false;
  }

  /** Who is next, and those that can go with it. */
  private takeGroup(): Asking[] {
    let room = mostLatents;
    const sizeOf = ({ ask }: Asking) => ask.context.rows * ask.shape[0] * ask.shape[2] * ask.shape[3];
    const { adapters, passes } = this.turn_;
    const mayJoin = (other: Asking, first: Asking) => {
      // What ControlNets add is of one request's rows.
      if (first.ask.options?.residuals || other.ask.options?.residuals) return false;
      if (room === mostLatents) room -= sizeOf(first);
      const fits = keyOf(other.ask) === keyOf(first.ask) && sizeOf(other) <= room;
      if (fits) room -= sizeOf(other);
      return fits;
    };
    const group = this.line_.take(mayJoin, ({ ask }) => passes < mostInTurn && adaptersOf(ask) === adapters);
    if (group.length > 0) {
      const next = adaptersOf(group[0].ask);
      this.turn_ = { adapters: next, passes: next === adapters ? passes + 1 : 1 };
    }
    return group;
  }

  private async serve(group: readonly Asking[]): Promise<void> {
    if (group.length > 1 && (await this.serveJointly(group))) return;
    for (const { ask, resolve, reject } of group) {
      const { latents, shape, timestep, context, signal, options } = ask;
      await this.model_.predictNoise(latents, shape, timestep, context, signal, options).then(resolve, reject);
    }
  }

  /** False where the joint pass could not be made, for lack of memory as a rule: then each gets its own pass, or its own error. */
  private async serveJointly(group: readonly Asking[]): Promise<boolean> {
    const cancel = new AbortController();
    // One's abort ends its own request alone; the pass ends with the last.
    const onAbort = () => {
      if (group.filter(rejectAborted).length === group.length) cancel.abort();
    };
    for (const { ask } of group) ask.signal?.addEventListener('abort', onAbort);
    // Counted beforehand: who is aborted meanwhile gives its context back, which then has none.
    const counts = group.map(({ ask }) => ask.context.rows);
    const count = counts.reduce((a, b) => a + b);
    try {
      const { shape, timestep, options } = group[0].ask;
      const latents = concatenated(group.map(({ ask }) => perRow(ask)));
      const context = await this.jointContext(
        group.map(({ ask }) => ask),
        cancel.signal,
      );
      const rows = await this.model_.predictNoise(latents, shape, timestep, context, cancel.signal, options);
      const rowSize = rows.length / count;
      let at = 0;
      for (const [i, { resolve }] of group.entries()) {
        const end = at + counts[i] * rowSize;
        resolve(rows.slice(at, end));
        at = end;
      }
      return true;
    } catch (error) {
      // What took the engine down is not tried again.
      const isCrash = error instanceof DiffusionError && error.code === 'ENGINE_CRASHED';
      if (isCrash) for (const { reject } of group) reject(error);
      return isCrash || cancel.signal.aborted;
    } finally {
      for (const { ask } of group) ask.signal?.removeEventListener('abort', onAbort);
    }
  }

  private async jointContext(asks: readonly AskedPass[], signal: AbortSignal): Promise<Context> {
    const members = asks.map(({ context }) => context);
    const key = members.map((member) => this.idOf(member)).join();
    const known = this.contexts_.get(key);
    if (known) return known.context;
    const rows = members.reduce((sum, member) => sum + member.rows, 0);
    const embeddings = concatenated(asks.map((ask) => ask.embeddings));
    const { adapters } = asks[0];
    const context = await this.model_.createContext(embeddings, rows, signal, jointAddition(asks), adapters);
    this.contexts_.set(key, { members, context });
    if (this.contexts_.size > contextLimit) {
      const [oldest, unused] = this.contexts_.entries().next().value!;
      this.contexts_.delete(oldest);
      unused.context.dispose();
    }
    return context;
  }

  private idOf(context: Context): number {
    const known = this.ids_.get(context);
    if (known !== undefined) return known;
    this.ids_.set(context, this.nextId_);
    return this.nextId_++;
  }
}

function keyOf(ask: AskedPass): string {
  const { shape, timestep, embeddings, context, priority, options = {} } = ask;
  const sizes = `${shape} ${timestep} ${embeddings.length / context.rows}`;
  return `${sizes} ${priority} ${JSON.stringify(options)} ${adaptersOf(ask)}`;
}

function adaptersOf({ adapters }: AskedPass): string {
  return adapters?.name ?? '';
}

/** That of all rows; null for a UNet that takes none. */
function jointAddition(asks: readonly AskedPass[]): Addition | null {
  const additions = asks.flatMap(({ addition }) => addition ?? []);
  if (additions.length === 0) return null;
  return {
    pooled: concatenated(additions.map(({ pooled }) => pooled)),
    sizeNumbers: concatenated(additions.map(({ sizeNumbers }) => sizeNumbers)),
  };
}

/** The latents as each row sees them. */
function perRow({ latents, shape, context }: AskedPass): Float32Array {
  const size = shape.reduce((a, b) => a * b);
  if (latents.length !== size) return latents;
  return concatenated(Array<Float32Array>(context.rows).fill(latents));
}

export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
