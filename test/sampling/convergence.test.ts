/** With TAP_SNAPSHOT=1 this writes the guide's table and plot; otherwise it holds them to what is measured. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { measureAll, toSvg, toTable } from './convergence-report';

const guidePath = join(__dirname, '../../docs/guides/samplers.md');
const plotPath = join(__dirname, '../../docs/images/convergence.svg');
const marked = /(<!-- convergence -->\n)(.*?)(\n<!-- \/convergence -->)/s;

t.test('each deterministic sampler shows its order, in the guide too', async (t) => {
  const measurements = await measureAll();
  for (const { name, theory, measured, errors } of measurements) {
    // A few percent off where theory is reached; a method of order 4 gets there as rounding begins.
    t.ok(Math.abs(measured - theory) < (theory === 4 ? 0.35 : 0.15), `${name}: order ${theory}, measured ${measured}`);
    t.ok(
      errors.every((error, i) => i === 0 || error < errors[i - 1]),
      `${name}: more steps, less error`,
    );
  }

  const table = toTable(measurements);
  const svg = toSvg(measurements);
  if (process.env.TAP_SNAPSHOT === '1') {
    writeFileSync(guidePath, readFileSync(guidePath, 'utf8').replace(marked, `$1${table}$3`));
    writeFileSync(plotPath, svg);
  }
  holdsNumbers(t, marked.exec(readFileSync(guidePath, 'utf8'))?.[2] ?? '', table, 'the table');
  holdsNumbers(t, readFileSync(plotPath, 'utf8'), svg, 'the plot');
});

/** The same text but for numbers, which may differ by what another processor's rounding makes of them. */
function holdsNumbers(t: Test, written: string, measured: string, what: string): void {
  const number = /-?\d+(\.\d+)?(e[+-]?\d+)?/g;
  t.equal(written.replace(number, '#'), measured.replace(number, '#'), `${what} says what is measured`);
  const [were, are] = [written, measured].map((text) => (text.match(number) ?? []).map(Number));
  const worst = Math.max(...are.map((value, i) => Math.abs(value - were[i]) / (Math.abs(value) + 1e-9)));
  t.ok(worst < 0.12, `${what}: off by ${worst}`);
}
