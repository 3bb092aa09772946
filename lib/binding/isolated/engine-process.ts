/** An engine's process as the library sees it: calls go in, answers come out, and it may die at any moment. */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { DiffusionError } from '../../errors';
import type { NativeCancellation } from '../types';
import type { Order, Report } from './protocol';

// From lib/binding/isolated (tests run the sources) and from dist/binding/isolated alike.
const program = path.resolve(__dirname, '..', '..', '..', 'dist', 'binding', 'isolated', 'host.js');

/** What a call needs beside its message. */
export interface CallHooks {
  cancellation?: Cancellation;
  /** What the callback at that place among the arguments hears. */
  heard(index: number, args: unknown[]): void;
}

interface Pending extends CallHooks {
  hasBegun: boolean;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Stops a call in another process. */
export class Cancellation implements NativeCancellation {
  private isCancelled_ = false;
  private readonly listeners_: (() => void)[] = [];

  cancel(): void {
    if (this.isCancelled_) return;
    this.isCancelled_ = true;
    for (const listener of this.listeners_) listener();
  }

  /** At once if it is cancelled already. */
  onCancel(listener: () => void): void {
    if (this.isCancelled_) listener();
    else this.listeners_.push(listener);
  }
}

/** The process ended before it had begun a call, which therefore is not to blame. */
export class NotBegun extends DiffusionError {}

/** It keeps the library's process alive while a call is under way, as an engine of one's own process does. */
export class EngineProcess {
  private readonly child_: ChildProcess;
  private readonly pending_ = new Map<number, Pending>();
  private readonly closed_: Promise<void>;
  private nextCall_ = 1;
  private end_: Error | undefined;

  constructor() {
    // Without the flags of this process: an inspector's port or a heap's size are not the child's.
    this.child_ = fork(program, [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.closed_ = new Promise((resolve) => {
      this.child_.on('error', (cause) => {
        this.close(new DiffusionError('ENGINE_CRASHED', `the engine's process failed: ${cause.message}`, { cause }));
        if (this.child_.pid === undefined) resolve();
      });
      // After the last message has come.
      this.child_.on('close', (code, signal) => {
        const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
        this.close(new DiffusionError('ENGINE_CRASHED', `the engine's process ${how}`));
        resolve();
      });
    });
    this.child_.on('message', (message) => this.hear(message as Report));
    this.hold();
  }

  get isAlive(): boolean {
    return this.end_ === undefined;
  }

  /** Sends at once. Rejects with `ENGINE_CRASHED` if the process ends meanwhile, as {@link NotBegun} if it had not begun. */
  call(target: number, method: string, args: unknown[], hooks: CallHooks): Promise<unknown> {
    const id = this.nextCall_++;
    return new Promise((resolve, reject) => {
      if (this.end_) {
        reject(this.end_);
        return;
      }
      this.pending_.set(id, { ...hooks, hasBegun: false, resolve, reject });
      this.hold();
      this.send({ kind: 'call', id, target, method, args });
      hooks.cancellation?.onCancel(() => this.pending_.has(id) && this.send({ kind: 'cancel', id }));
    });
  }

  /** Lets an object of the process go. */
  release(handle: number): void {
    if (this.isAlive) this.send({ kind: 'release', handle });
  }

  /** Ends the process; what is under way rejects with `error`. */
  async end(error: Error): Promise<void> {
    this.close(error);
    if (this.child_.exitCode === null && this.child_.signalCode === null) {
      this.child_.ref();
      this.child_.channel?.ref();
      this.child_.kill('SIGKILL'); // it has nothing to lose
    }
    await this.closed_;
  }

  private send(order: Order): void {
    this.child_.send(order, () => {}); // that it could not be sent is told by 'close'
  }

  private hear(report: Report): void {
    const pending = this.pending_.get(report.id);
    if (!pending) return;
    if (report.kind === 'began') pending.hasBegun = true;
    else if (report.kind === 'heard') pending.heard(report.index, report.args);
    else {
      this.pending_.delete(report.id);
      this.hold();
      if (report.kind === 'done') pending.resolve(report.value);
      else pending.reject(Object.assign(new Error(report.message), { code: report.code }));
    }
  }

  private close(error: Error): void {
    if (this.end_) return;
    this.end_ = error;
    const lost = [...this.pending_.values()];
    this.pending_.clear();
    for (const { hasBegun, reject } of lost) {
      const isCrash = error instanceof DiffusionError && error.code === 'ENGINE_CRASHED';
      reject(isCrash && !hasBegun ? new NotBegun('ENGINE_CRASHED', error.message, { cause: error }) : error);
    }
    this.hold();
  }

  /** Keeps this process alive for what is under way, and for nothing else. */
  private hold(): void {
    const change = this.pending_.size > 0 ? 'ref' : 'unref';
    this.child_[change]();
    this.child_.channel?.[change]();
  }
}
