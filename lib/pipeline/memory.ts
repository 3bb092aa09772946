/** What the network has answered so far, so that a run can be taken up again where it was left. */
import { DiffusionError } from '../errors';
import type { DenoisedPair } from '../sampling/types';

type Evaluate = (x: Float32Array, sigma: number, both: boolean) => Promise<DenoisedPair>;

/** A denoiser's answer: the guided prediction, and the unconditional one where the sampler asked for it. */
export type Answer = readonly [denoised: Float32Array] | readonly [denoised: Float32Array, unconditional: Float32Array];

/**
 * Samplers keep their state to themselves. But that state follows from the request and from what the network answered: a
 * sampler that is given the same answers again comes to the same place, to the bit, whatever its rule, and it
 * costs no evaluation.
 */
export class AnswerMemory {
  private next_ = 0;

  /** @param answers_ in the order of the evaluations; new ones are added to it */
  constructor(private readonly answers_: Answer[] = []) {}

  /** All answers so far. */
  get answers(): readonly Answer[] {
    return this.answers_;
  }

  /** Answers from memory as long as that lasts, then evaluates and remembers. */
  remembering(evaluate: Evaluate): Evaluate {
    return async (x, sigma, both) => {
      const known = this.answers_[this.next_];
      if (known) {
        this.next_++;
        if (known.some((part) => part.length !== x.length)) {
          throw new DiffusionError(
            'FILE_INVALID',
            `saved: expected answers of ${x.length} values, got ${known[0].length}`,
          );
        }
        return { denoised: known[0], unconditional: known[1] ?? known[0] };
      }
      const { denoised, unconditional } = await evaluate(x, sigma, both);
      this.answers_.push(both ? [denoised, unconditional] : [denoised]);
      this.next_ = this.answers_.length;
      return { denoised, unconditional };
    };
  }
}
