/** A progress bar on a terminal; silent elsewhere. */

export interface Progress {
  /** `done` of `total`; both in the same unit. */
  update(label: string, done: number, total: number): void;
  /** Removes the bar. */
  clear(): void;
}

const barWidth = 24;

/** Draws on standard error if that is a terminal, unless `isSilent`. */
export function createProgress(isSilent = false): Progress {
  const stream = process.stderr;
  if (isSilent || !stream.isTTY) return { update() {}, clear() {} };
  let started = performance.now();
  let current = '';
  return {
    update(label, done, total) {
      if (label !== current) {
        current = label;
        started = performance.now();
      }
      const filled = Math.round((done / total) * barWidth);
      const seconds = (performance.now() - started) / 1000;
      const left = done > 0 ? (seconds / done) * (total - done) : 0;
      const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
      const percent = `${Math.round((done / total) * 100)}%`.padStart(4);
      stream.write(`\r\x1b[K${label} ${bar} ${percent}${done > 0 ? `  ${left.toFixed(1)} s left` : ''}`);
    },
    clear() {
      stream.write('\r\x1b[K');
    },
  };
}
