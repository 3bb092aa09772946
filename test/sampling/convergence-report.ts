/** The measured convergence as the guide shows it: a table in Markdown and a plot in SVG. */
import {
  type DeterministicSampler,
  errorsOf,
  evaluationsOf,
  fittedOrder,
  stepCounts,
  theoreticalOrders,
} from './convergence';

export interface Measurement {
  readonly name: DeterministicSampler;
  readonly theory: number;
  readonly measured: number;
  /** Network evaluations a step, over many steps. */
  readonly evaluations: number;
  /** For each of {@link stepCounts}. */
  readonly errors: readonly number[];
}

export async function measureAll(): Promise<Measurement[]> {
  const names = Object.keys(theoreticalOrders) as DeterministicSampler[];
  return Promise.all(
    names.map(async (name) => {
      const errors = await errorsOf(name);
      const [theory, evaluations] = [theoreticalOrders[name], await evaluationsOf(name)];
      return { name, theory, measured: fittedOrder(errors), evaluations, errors };
    }),
  );
}

const shown = [20, 40, 80];

export function toTable(measurements: readonly Measurement[]): string {
  const rows = measurements.map(({ name, theory, measured, evaluations, errors }) => [
    `\`${name}\``,
    `${evaluations}`,
    `${theory}`,
    measured.toFixed(2),
    ...shown.map((steps) => errors[stepCounts.indexOf(steps)].toExponential(1)),
  ]);
  const titles = ['sampler', 'evaluations a step', 'order in theory', 'measured'];
  const head = [...titles, ...shown.map((steps) => `error, ${steps} steps`)];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map(line).join('\n');
}

// ---- The plot: both axes logarithmic, a line for each group of samplers whose errors can't be told apart in it

const [width, height] = [860, 560];
const [left, right, top, bottom] = [70, 610, 20, 510];
const [highest, lowest] = [0, -6.5]; // log10 of the error
const colours = ['', '#b3541e', '#1f6f8b', '#5b8c2a', '#7b4397']; // by order

const xOf = (steps: number) =>
  left +
  ((right - left) * Math.log(steps / stepCounts[0])) / Math.log(stepCounts[stepCounts.length - 1] / stepCounts[0]);
const yOf = (error: number) => top + ((bottom - top) * (highest - Math.log10(error))) / (highest - lowest);

export function toSvg(measurements: readonly Measurement[]): string {
  const groups = grouped(measurements);
  const labels = spread(groups.map(({ errors }) => yOf(errors[errors.length - 1])));
  const lines = groups.map(({ names, theory, errors }, i) => {
    const points = errors.map((error, k) => `${xOf(stepCounts[k]).toFixed(1)},${yOf(error).toFixed(1)}`);
    const end = yOf(errors[errors.length - 1]).toFixed(1);
    const label = labels[i].toFixed(1);
    return [
      `<g stroke="${colours[theory]}" fill="none" data-samplers="${names.join(' ')}">`,
      `<title>${names.join(', ')}</title>`,
      `<polyline stroke-width="1.6" points="${points.join(' ')}"/>`,
      `<path stroke-width="0.6" d="M${right} ${end} L${right + 22} ${label}"/>`,
      `<text x="${right + 26}" y="${label}" dy="4" stroke="none" fill="${colours[theory]}">${names.join(', ')}</text>`,
      '</g>',
    ].join('\n');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...axes(),
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

function axes(): string[] {
  const powers = Array.from({ length: highest - Math.ceil(lowest) + 1 }, (_, i) => highest - i);
  const horizontal = powers.map((power) => {
    const y = yOf(10 ** power).toFixed(1);
    return (
      `<path stroke="#ddd" d="M${left} ${y} H${right}"/>` +
      `<text x="${left - 8}" y="${y}" dy="4" text-anchor="end" fill="#444">1e${power}</text>`
    );
  });
  const vertical = stepCounts.map((steps) => {
    const x = xOf(steps).toFixed(1);
    return (
      `<path stroke="#ddd" d="M${x} ${top} V${bottom}"/>` +
      `<text x="${x}" y="${bottom + 18}" text-anchor="middle" fill="#444">${steps}</text>`
    );
  });
  const orders = colours.slice(1).map((colour, i) => {
    const at = left + 12 + i * 74;
    return `<text x="${at}" y="${bottom - 12}" fill="${colour}">order ${i + 1}</text>`;
  });
  const title = `<text x="${(left + right) / 2}" y="${bottom + 38}" text-anchor="middle" fill="#444">steps</text>`;
  const turned = `translate(18 ${(top + bottom) / 2}) rotate(-90)`;
  const side = `<text transform="${turned}" text-anchor="middle" fill="#444">error</text>`;
  return [...horizontal, ...vertical, ...orders, title, side];
}

interface Group {
  names: string[];
  theory: number;
  errors: readonly number[];
}

/** Samplers of one order whose errors differ by less than 5 % everywhere, best last. */
function grouped(measurements: readonly Measurement[]): Group[] {
  const groups: Group[] = [];
  for (const { name, theory, errors } of measurements) {
    const alike = groups.find(
      (group) => group.theory === theory && group.errors.every((error, i) => Math.abs(errors[i] / error - 1) < 0.05),
    );
    if (alike) alike.names.push(name);
    else groups.push({ names: [name], theory, errors });
  }
  return groups.sort((a, b) => b.errors[b.errors.length - 1] - a.errors[a.errors.length - 1]);
}

/** Moves ascending heights apart to at least a line of text, as little as it takes from above. */
function spread(heights: readonly number[]): number[] {
  const apart: number[] = [];
  for (const height of heights) apart.push(Math.max(height, (apart[apart.length - 1] ?? -Infinity) + 16));
  // What went over the edge comes back, pushing up what stands in its way.
  for (let i = apart.length - 1, most = bottom; i >= 0; i--, most -= 16) apart[i] = Math.min(apart[i], most);
  return apart;
}
