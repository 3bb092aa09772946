/** Another program that draws with the same weights, and what is measured of it. */
import type { Configuration } from '../round';

/** What a peer has to know of a configuration beside it. */
export interface PeerConfiguration extends Configuration {
  /** `info.family` of the model. */
  family: string;
  /** Whether our own kernels multiply bf16 here: `auto` means it then. */
  hasBf16: boolean;
  /** A folder of the run, removed at its end: what a peer makes of the model lies in it for later rounds. */
  scratch: string;
}

/** Seconds and bytes of a process of its own. What is absent, the peer does not tell. */
export interface PeerRound {
  load?: number;
  text?: number;
  /** One number a step, with guidance, but the first one of a process that has drawn nothing before. */
  step: number[];
  decode?: number;
  /** Of the process. */
  firstDecode?: number;
  peakBytes?: number;
  /** The numbers that it computes in, where it chooses them. */
  computes?: string;
}

export interface Peer {
  /** In the report. */
  title: string;
  /** Why it cannot draw this; undefined if it can. */
  unable(configuration: PeerConfiguration): string | undefined;
  /** The numbers that its weights are held in. */
  format(configuration: PeerConfiguration): string;
  /** Rejects with what its process said if it fails. */
  measure(program: string, configuration: PeerConfiguration, signal?: AbortSignal): Promise<PeerRound>;
}
