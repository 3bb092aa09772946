/** Prompt editing: a prompt that changes while sampling becomes the list of texts that it is, and until when. */

import { DiffusionError } from '../errors';

/** What the prompt is until the end of step `untilStep`, counted from 1. */
export interface ScheduledText {
  readonly untilStep: number;
  readonly text: string;
}

/** A piece of the prompt whose text depends on the step. A step of `whenStep` or less takes `before`. */
type Node =
  | string
  | { readonly kind: 'group'; readonly nodes: readonly Node[] }
  | {
      readonly kind: 'edit';
      readonly before: readonly Node[];
      readonly after: readonly Node[];
      readonly whenStep: number;
    }
  | { readonly kind: 'alternate'; readonly options: readonly (readonly Node[])[] };

/** A bracket that is open: where it stands, and what has come since. */
interface Frame {
  readonly opener: '(' | '[';
  readonly start: number;
  readonly nodes: Node[];
  readonly colons: number[]; // indices of the separators among the nodes
  readonly bars: number[];
}

const tokenPattern = /(?:[^\\[\]():|]|\\[\s\S])+|[\s\S]/g;
const numberPattern = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

/**
 * Resolves `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b|...]`, nested too. `when` with a decimal point is a share of
 * the steps, rounded down, and without one a step, as in A1111 since 1.6; the change comes after that step. Of `[a|b]`,
 * step 1 takes the first, step 2 the second, and so on in turn. A backslash takes its meaning from the character behind it, and
 * stays in the text for {@link parseEmphasis}.
 *
 * Any text is a prompt. Brackets that do not pair up, that enclose such, or that are none of these forms are left in the text,
 * where emphasis has its own use for them.
 *
 * @param steps how many steps sampling takes
 * @returns at least one text, `untilStep` increasing, the last `steps`
 * @throws INVALID_ARGUMENT if `steps` is not an integer of at least 1
 */
export function parseSchedule(prompt: string, steps: number): ScheduledText[] {
  if (!Number.isInteger(steps) || steps < 1) {
    throw new DiffusionError('INVALID_ARGUMENT', `steps: expected an integer of at least 1, got ${steps}`);
  }
  const { nodes, changes } = new ScheduleParser(prompt, steps).parse();
  return [...changes].sort((a, b) => a - b).map((untilStep) => ({ untilStep, text: textAt(nodes, untilStep) }));
}

/**
 * The index of the text that holds at a step. A1111 documents the same, but compares a counter that starts at 0: its pictures change
 * one evaluation later than ours.
 *
 * @param step counted from 1; steps beyond the schedule take its last text
 */
export function scheduleIndexAt(schedule: readonly ScheduledText[], step: number): number {
  const index = schedule.findIndex(({ untilStep }) => step <= untilStep);
  return index < 0 ? schedule.length - 1 : index;
}

/** Keeps its own stack, so that no depth of brackets is too deep, and takes time linear in the text. */
class ScheduleParser {
  private readonly root_: Node[] = [];
  private readonly changes_: Set<number>; // the last step of every text
  private stack_: Frame[] = [];

  constructor(
    private readonly text_: string,
    private readonly steps_: number,
  ) {
    this.changes_ = new Set([steps_]);
  }

  parse(): { nodes: readonly Node[]; changes: ReadonlySet<number> } {
    for (const { 0: token, index } of this.text_.matchAll(tokenPattern)) {
      const frame = this.stack_.at(-1);
      if (token === '(' || token === '[') {
        this.stack_.push({ opener: token, start: index, nodes: [], colons: [], bars: [] });
      } else if (frame && (token === ')' || token === ']')) {
        this.close(frame, token, index);
      } else {
        if (token === ':') frame?.colons.push(frame.nodes.length);
        if (token === '|') frame?.bars.push(frame.nodes.length);
        (frame?.nodes ?? this.root_).push(token);
      }
    }
    this.giveUp();
    return { nodes: this.root_, changes: this.changes_ };
  }

  private close(frame: Frame, closer: ')' | ']', index: number): void {
    const node = closer === (frame.opener === '(' ? ')' : ']') ? this.group(frame, index) : undefined;
    if (node === undefined) {
      this.giveUp();
      this.root_.push(closer);
      return;
    }
    this.stack_.pop();
    (this.stack_.at(-1)?.nodes ?? this.root_).push(node);
  }

  /** Makes text of every open bracket: none of them can still enclose something well-formed. */
  private giveUp(): void {
    for (const { opener, nodes } of this.stack_) {
      this.root_.push(opener);
      for (const node of nodes) this.root_.push(node);
    }
    this.stack_ = [];
  }

  /** What a pair of brackets is, or undefined if it is none of the forms. */
  private group({ opener, start, nodes, colons, bars }: Frame, end: number): Node | undefined {
    const emphasis = opener === '(' ? colons.length <= 1 : colons.length + bars.length === 0;
    if (emphasis) {
      if (nodes.every((node) => typeof node === 'string')) return this.text_.slice(start, end + 1);
      return { kind: 'group', nodes: [opener, ...nodes, this.text_[end]] };
    }
    if (opener === '(' || (colons.length > 0 && bars.length > 0)) return undefined;
    return bars.length > 0 ? this.alternate(nodes, bars) : this.edit(nodes, colons);
  }

  private alternate(nodes: readonly Node[], bars: readonly number[]): Node {
    for (let step = 1; step < this.steps_; step++) this.changes_.add(step);
    return {
      kind: 'alternate',
      options: [...bars, nodes.length].map((end, i) => nodes.slice(i && bars[i - 1] + 1, end)),
    };
  }

  private edit(nodes: readonly Node[], colons: readonly number[]): Node | undefined {
    const [first, second] = colons;
    const last = second ?? first;
    const number = nodes.slice(last + 1);
    const when = number.join('');
    if (colons.length > 2 || number.some((node) => typeof node !== 'string') || !numberPattern.test(when)) {
      return undefined;
    }
    const step = when.includes('.') ? Number(when) * this.steps_ : Number(when);
    const whenStep = Math.min(this.steps_, Math.trunc(step));
    if (whenStep >= 1) this.changes_.add(whenStep);
    const before = second === undefined ? [] : nodes.slice(0, first);
    const after = second === undefined ? nodes.slice(0, first) : nodes.slice(first + 1, second);
    return { kind: 'edit', before, after, whenStep };
  }
}

function textAt(nodes: readonly Node[], step: number): string {
  const texts: string[] = [];
  const pending: Node[] = [];
  const push = (next: readonly Node[]) => {
    for (let i = next.length - 1; i >= 0; i--) pending.push(next[i]);
  };
  push(nodes);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (typeof node === 'string') texts.push(node);
    else if (node.kind === 'group') push(node.nodes);
    else if (node.kind === 'edit') push(step <= node.whenStep ? node.before : node.after);
    else push(node.options[(step - 1) % node.options.length]);
  }
  return texts.join('');
}
