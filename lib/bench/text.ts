/** A report as lines of text. */
import type { Operations } from '../model/machine';
import type { Comparison } from './baseline';
import type { PeerResult, Report, Result, Throughput } from './report';
import { type PeerFigure, peerFigures } from './report';
import type { Ratio, Spread } from './statistics';
import { bytes, seconds, times } from './units';

const names: Record<PeerFigure, string> = {
  ...{ load: 'load', text: 'text', step: 'step', decode: 'decode', firstDecode: 'first decode' },
  peakBytes: 'peak memory',
};

export function describeReport(report: Report): string {
  const { environment: e, settings: s } = report;
  const versions = Object.entries(e.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${s.model.name}: ${s.model.title}, ${(s.model.parameters / 1e6).toFixed(1)} million parameters`,
    `${s.steps} steps with guidance, ${s.threads} threads, median of ${s.repeat} rounds (least to most)`,
    `${e.cpu}, ${e.cores} cores, ${e.instructionSet}, ${bytes(e.memoryBytes)}, ${e.system} ${e.arch}`,
    `${versions.join(', ')}, ${report.date}`,
    ...report.results.flatMap((result) => ['', ...describeResult(result)]),
  ].join('\n');
}

function describeResult(r: Result): string[] {
  const peaks = formatsOf(r.peaks).map((format) => `${format} ${giga(r.peaks[format])}`);
  const half = (s: Spread) => ({ ...s, median: s.median / 2, least: s.least / 2, most: s.most / 2 });
  return [
    `${r.width} x ${r.height}, ${r.precision}`,
    row('measured peak', `${peaks.join(', ')} GFLOP/s`),
    row('load', spread(r.load, seconds), `${bytes(r.memory.weightBytes)} of weights`),
    row('text', spread(r.text, seconds), 'prompt and negative prompt, with cross-attention keys'),
    row('step', spread(r.step, seconds), 'conditional and unconditional pass'),
    row('UNet pass', spread(half(r.unet), seconds), describeThroughput(r.unet)),
    row('decode', spread(r.decode, seconds), describeThroughput(r.decode)),
    row('first decode', spread(r.firstDecode, seconds), 'with its buffers to get'),
    row('whole request', spread(r.request, seconds)),
    row('abort', spread(r.abort, seconds), 'from abort() inside a step to the rejection'),
    row('event loop', spread(r.loopDelay.steps, seconds), 'longest delay during steps'),
    row('', spread(r.loopDelay.request, seconds), 'longest delay with decoding and the PNG file'),
    row('compute buffers', bytes(r.memory.computeBytes)),
    row('peak memory', spread(r.memory.peakBytes, bytes), `${bytes(r.memory.peakAfterLoadBytes.median)} after loading`),
    ...r.peers.flatMap(describePeer),
  ];
}

function describePeer(peer: PeerResult): string[] {
  if (peer.skipped !== undefined) return [`  ${peer.title}: skipped, ${peer.skipped}`];
  const figures = peerFigures.flatMap((name) => {
    const [figure, ratio] = [peer[name], peer.ratios?.[name]];
    if (!figure || !ratio) return [];
    const unit = name === 'peakBytes' ? bytes : seconds;
    return [row(`  ${names[name]}`, spread(figure, unit), `${describeRatio(ratio)} ours`)];
  });
  const computes = peer.computes === undefined ? '' : `, computing in ${peer.computes}`;
  return [`  ${peer.title}, ${peer.format}${computes}`, ...figures];
}

export function describeComparison({ date, differences, results, missing }: Comparison): string {
  return [
    `Against ${date}: now divided by then, below 1 is faster or less`,
    ...differences.map((difference) => `  not the same: ${difference}`),
    ...missing.map((configuration) => `  not in the baseline: ${configuration}`),
    ...results.flatMap(({ width, height, precision, ratios }) => [
      `${width} x ${height}, ${precision}`,
      ...Object.entries(ratios).map(([name, ratio]) =>
        row(name === 'unet' ? 'UNet' : (names[name as PeerFigure] ?? name), describeRatio(ratio)),
      ),
    ]),
  ].join('\n');
}

function describeThroughput({ operations, rate, shareOfPeak }: Throughput): string {
  const total = formatsOf(operations).reduce((sum, format) => sum + operations[format], 0);
  const parts = formatsOf(operations).map((format) => `${((100 * operations[format]) / total).toFixed(0)} % ${format}`);
  return `${giga(rate)} GFLOP/s, ${(100 * shareOfPeak).toFixed(1)} % of the peak (${parts.join(', ')})`;
}

function describeRatio({ median, least, most }: Ratio): string {
  return `${times(median)} (${times(least)} to ${times(most)})`;
}

function formatsOf(operations: Operations): (keyof Operations)[] {
  return (Object.keys(operations) as (keyof Operations)[]).filter((format) => operations[format] > 0);
}

function spread({ median, least, most, count }: Spread, unit: (value: number) => string): string {
  return count === 1 ? unit(median) : `${unit(median)} (${unit(least)} to ${unit(most)})`;
}

function giga(rate: number): string {
  return (rate / 1e9).toFixed(0);
}

function row(label: string, value: string, note = ''): string {
  return `  ${label.padEnd(16)}${value.padEnd(32)}${note}`.trimEnd();
}
