/** A report as an SVG chart: bars with their spread, for light and dark pages. */
import { DiffusionError } from '../errors';
import { loadSharp } from '../image/sharp';
import type { PeerFigure, Report, Result } from './report';
import type { Spread } from './statistics';
import { bytes, seconds } from './units';

interface Bar {
  label: string;
  isOurs: boolean;
  value: Spread;
}

interface Panel {
  title: string;
  unit: (value: number) => string;
  bars: Bar[];
}

// Pixels.
const [width, margin, labels, values] = [820, 24, 280, 190];
const [rowHeight, barHeight, headHeight, titleHeight, footHeight] = [26, 16, 64, 40, 56];
const scaleWidth = width - 2 * margin - labels - values;

// No custom properties: what turns SVG into pixels often lacks them.
const style = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .page { fill: #ffffff }
  .head { font-size: 18px; font-weight: 600 }
  .title { font-weight: 600 }
  .note { font-size: 12px; fill: #59636e }
  .ours { fill: #0969da }
  .peer { fill: #8c959f }
  .spread { stroke: #1f2328; stroke-width: 1.5; fill: none }
  .axis { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .page { fill: #0d1117 }
    .note { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .peer { fill: #656c76 }
    .spread { stroke: #f0f6fc }
    .axis { stroke: #3d444d }
  }`;

export function drawChart(report: Report): string {
  const { environment: e, settings: s } = report;
  const panels = panelsOf(report);
  const parts: string[] = [];
  let top = headHeight;
  for (const panel of panels) {
    parts.push(drawPanel(panel, top));
    top += titleHeight + panel.bars.length * rowHeight;
  }
  const height = top + footHeight;
  const heading = `${s.model.name}: ${s.model.title}`;
  const about = `${s.steps} steps with guidance, ${s.threads} threads; medians of ${s.repeat} rounds, least to most; shorter is better`;
  const machine = `${e.cpu}, ${e.cores} cores, ${e.instructionSet}, ${bytes(e.memoryBytes)}, ${e.system}`;
  const versions = `node-diffusion ${e.versions['node-diffusion']}, Node ${e.versions.node}, ${report.date.slice(0, 10)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(heading)}</title>`,
    `<style>${style}\n</style>`,
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    text(margin, 32, heading, 'head'),
    text(margin, 52, about, 'note'),
    ...parts,
    text(margin, height - 30, machine, 'note'),
    text(margin, height - 13, versions, 'note'),
    '</svg>\n',
  ].join('\n');
}

/**
 * The chart as a PNG file's bytes, twice as large, in its light colours.
 *
 * @throws ADDON_NOT_FOUND if sharp cannot be loaded
 */
export function toPng(svg: string): Promise<Buffer> {
  return loadSharp()(Buffer.from(svg), { density: 144 }).png().toBuffer();
}

/** The bytes of the file that a chart becomes. Throws INVALID_ARGUMENT for other endings than .svg and .png. */
export async function chartFile(file: string, report: Report): Promise<Buffer> {
  const ending = chartEnding(file);
  const svg = drawChart(report);
  return ending === 'svg' ? Buffer.from(svg) : toPng(svg);
}

export function chartEnding(file: string): 'svg' | 'png' {
  const ending = /\.(svg|png)$/i.exec(file)?.[1].toLowerCase();
  if (ending) return ending as 'svg';
  throw new DiffusionError('INVALID_ARGUMENT', `chart: expected a file name that ends in .svg or .png, got '${file}'`);
}

function panelsOf({ results }: Report): Panel[] {
  // A peer that decodes once a process is compared with our first time.
  const isFirst = results.some(({ peers }) => peers.some((peer) => peer.firstDecode && !peer.decode));
  const panel = (title: string, name: PeerFigure, unit: Panel['unit']): Panel => ({
    ...{ title, unit },
    bars: results.flatMap((result) => barsOf(result, name)),
  });
  return [
    panel('One step', 'step', seconds),
    isFirst ? panel('Decoding, the first time', 'firstDecode', seconds) : panel('Decoding', 'decode', seconds),
    panel('Text', 'text', seconds),
    panel('Peak memory of the process', 'peakBytes', bytes),
  ];
}

function barsOf(result: Result, name: PeerFigure): Bar[] {
  const about = `${result.width} x ${result.height}`;
  const ours = name === 'peakBytes' ? result.memory.peakBytes : result[name];
  const theirs = result.peers.flatMap((peer): Bar[] => {
    const value = peer[name];
    return value ? [{ label: `${peer.name}, ${peer.format}, ${about}`, isOurs: false, value }] : [];
  });
  return [{ label: `node-diffusion, ${result.precision}, ${about}`, isOurs: true, value: ours }, ...theirs];
}

function drawPanel({ title, unit, bars }: Panel, top: number): string {
  const most = Math.max(...bars.map(({ value }) => value.most));
  const scale = (value: number) => (most > 0 ? (value / most) * scaleWidth : 0);
  const left = margin + labels;
  const bottom = top + titleHeight + bars.length * rowHeight;
  const rows = bars.map(({ label, isOurs, value }, i) => {
    const y = top + titleHeight + i * rowHeight;
    const [middle, base] = [y + barHeight / 2, y + barHeight - 3];
    const [a, b] = [left + scale(value.least), left + scale(value.most)].map(rounded);
    const whisker = `M${a} ${middle - 4}v8M${a} ${middle}H${b}M${b} ${middle - 4}v8`;
    const shown =
      value.count > 1 ? `${unit(value.median)} (${unit(value.least)} to ${unit(value.most)})` : unit(value.median);
    return [
      text(margin, base, label),
      `<rect class="${isOurs ? 'ours' : 'peer'}" x="${left}" y="${y}" width="${rounded(scale(value.median))}" height="${barHeight}" rx="2"/>`,
      value.count > 1 ? `<path class="spread" d="${whisker}"/>` : '',
      text(left + scaleWidth + 10, base, shown, 'note'),
    ].join('');
  });
  const axis = `<path class="axis" d="M${left} ${top + titleHeight - 4}V${bottom - 6}"/>`;
  return [text(margin, top + titleHeight - 12, title, 'title'), axis, ...rows].join('\n');
}

function text(x: number, y: number, content: string, style?: string): string {
  return `<text${style ? ` class="${style}"` : ''} x="${x}" y="${y}">${escaped(content)}</text>`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return content.replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, '').replace(/[&<>"]/g, (sign) => entities[sign]);
}
