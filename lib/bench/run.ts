/** Measures every configuration, in rounds: each program in turn, so that what slows the machine down meets all of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DiffusionError } from '../errors';
import { estimateMemory } from '../model/estimate-memory';
import { inspectModel } from '../model/inspect';
import { measurePeaks, type Operations } from '../model/machine';
import { embeddedModelPath } from '../pipeline/pipeline';
import { environmentHere } from './environment';
import { type InstalledPeer, peers as knownPeers } from './peers/index';
import type { PeerConfiguration, PeerRound } from './peers/peer';
import { type PeerResult, peerResultOf, type Report, type Result, resultOf, type Settings } from './report';
import { type Configuration, measureRound, type Round } from './round';

export interface BenchOptions {
  /** Default: the embedded model. */
  model?: string;
  /** Default: the one that the model was trained on, or 512 x 512. */
  sizes?: { width: number; height: number }[];
  /** Default 5. */
  steps?: number;
  /** Default: as many as the machine runs at once. */
  threads?: number;
  /** Default `auto`. */
  precisions?: string[];
  /** Rounds of each configuration. Default 3. */
  repeat?: number;
  peers?: InstalledPeer[];
  signal?: AbortSignal;
  /** Hears of every process that is about to be measured. */
  onProgress?(what: string, done: number, total: number): void;
}

/** @throws INVALID_ARGUMENT before anything is measured; what loading and drawing throw; ABORTED. A peer that fails is told in the report. */
export async function runBench(options: BenchOptions): Promise<Report> {
  const { model = embeddedModelPath, precisions = ['auto'], peers = [], signal } = options;
  const info = await inspectModel(model);
  const { pictureSize = 512 } = info;
  const { sizes = [{ width: pictureSize, height: pictureSize }] } = options;
  const settings: Settings = {
    model: { name: path.basename(model), family: info.family, title: info.title, parameters: info.parameters },
    steps: positive('steps', options.steps ?? 5),
    threads: positive('threads', options.threads ?? environmentHere().cores),
    repeat: positive('repeat', options.repeat ?? 3),
  };
  const { steps, threads, repeat } = settings;
  const configurations = sizes.flatMap((size) =>
    precisions.map((precision): Configuration => ({ model, ...size, steps, precision, threads })),
  );
  for (const { width, height, precision } of configurations) {
    await estimateMemory(model, { width, height, precision, threads }); // refuses what cannot be drawn
  }
  const total = configurations.length * repeat * (1 + peers.length);
  const progress = { done: 0, begin: (what: string) => options.onProgress?.(what, progress.done++, total) };
  const results: Result[] = [];
  const scratch = mkdtempSync(path.join(tmpdir(), 'node-diffusion-bench-'));
  try {
    for (const configuration of configurations) {
      const peaks = await measurePeaks(threads, undefined, signal);
      const { family } = info;
      const rounds = new Rounds({ ...configuration, family, hasBf16: peaks.bf16 > 0, scratch }, peaks, peers);
      for (let round = 0; round < repeat; round++) await rounds.measure(progress.begin, signal);
      results.push(rounds.result());
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }); // what was killed may write yet
  }
  const date = new Date().toISOString();
  return { kind: 'node-diffusion-bench', version: 1, date, environment: environmentHere(), settings, results };
}

/** Rounds of a configuration. */
class Rounds {
  private readonly rounds_: Round[] = [];
  private readonly peers_: { peer: InstalledPeer; rounds: PeerRound[]; skipped?: string }[];

  constructor(
    private readonly configuration_: PeerConfiguration,
    private readonly peaks_: Operations,
    peers: readonly InstalledPeer[],
  ) {
    this.peers_ = peers.map((peer) => {
      const skipped = knownPeers[peer.name].unable(configuration_);
      return { peer, rounds: [], skipped };
    });
  }

  /** A round of ours, then one of each peer. */
  async measure(begin: (what: string) => void, signal?: AbortSignal): Promise<void> {
    begin('node-diffusion');
    this.rounds_.push(await measureRound(this.configuration_, signal));
    for (const entry of this.peers_) {
      begin(entry.peer.name);
      if (entry.skipped !== undefined) continue;
      const { measure } = knownPeers[entry.peer.name];
      try {
        entry.rounds.push(await measure(entry.peer.program, this.configuration_, signal));
      } catch (error) {
        if (signal?.aborted) throw error;
        entry.skipped = `it failed: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
  }

  result(): Result {
    const ours = resultOf(this.configuration_, this.peaks_, this.rounds_);
    const peers = this.peers_.map(({ peer: { name }, rounds, skipped }): PeerResult => {
      const { title, format } = knownPeers[name];
      if (skipped !== undefined) return { name, title, skipped };
      return { name, title, format: format(this.configuration_), ...peerResultOf(rounds, ours) };
    });
    return { ...ours, peers };
  }
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new DiffusionError('INVALID_ARGUMENT', `${name}: expected a whole number, 1 or more, got ${value}`);
}
