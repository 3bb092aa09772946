/** The chart is well-formed, holds what the report says, and becomes a picture. */
import sharp from 'sharp';
import t from 'tap';
import { chartEnding, chartFile, drawChart } from '../../lib/bench/chart';
import { peerResultOf } from '../../lib/bench/report';
import { aReport, aResult, aRound } from './reports';

function withPeer() {
  const result = aResult([aRound(), aRound(2)]);
  const figures = peerResultOf([{ step: [20, 30], firstDecode: 4 }], result);
  result.peers = [{ name: 'sd-cli', title: 'stable-diffusion.cpp', format: 'f16', ...figures }];
  return aReport([result]);
}

/** The names of elements in order, or what is wrong. Throws where tags do not close each other. */
function elements(svg: string): string[] {
  const open: string[] = [];
  const found: string[] = [];
  for (const [, closes, name, inside] of svg.matchAll(/<(\/?)([a-zA-Z]+)((?:\s+[\w:-]+="[^"<]*")*\s*\/?)>/g)) {
    if (!closes) found.push(name);
    if (closes && open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    if (!closes && !inside.endsWith('/')) open.push(name);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
  const rest = svg.replace(/<[^<>]*>/g, '');
  if (/[<>]|&(?!amp;|lt;|gt;|quot;)/.test(rest)) throw new Error('unescaped text');
  return found;
}

t.test('SVG', async (t) => {
  const svg = drawChart(withPeer());
  const count = (name: string) => elements(svg).filter((one) => one === name).length;
  t.equal(count('svg'), 1);
  t.equal(count('rect'), 1 + 6, 'a page, and a bar for each figure');
  t.match(svg, 'A CPU &lt;fast&gt; &amp; &quot;new&quot;, 4 cores', 'the machine, escaped');
  t.match(svg, 'sd-cli, f16, 512 x 512');
  t.match(svg, 'Decoding, the first time', 'a peer that decodes once is beside our first time');
  t.match(svg, 'prefers-color-scheme: dark');
  t.match(drawChart(aReport()), />Decoding</);
});

t.test('the longest spread fills the width, and bars are as long as their medians', async (t) => {
  const widths = [...drawChart(withPeer()).matchAll(/<rect class="(\w+)" x="\d+" y="\d+" width="([\d.]+)"/g)];
  const [ours, peer] = widths.map(([, , width]) => Number(width));
  const whisker = /M[\d.]+ \d+v8M([\d.]+) \d+H([\d.]+)/;
  const ends = [...drawChart(withPeer()).matchAll(new RegExp(whisker, 'g'))].map(([, , end]) => Number(end));
  const left = 24 + 280;
  t.ok(Math.abs(peer / ours - 25 / 3.5) < 0.05, `${peer} beside ${ours}`);
  t.ok(Math.abs((Math.max(...ends) - left) / peer - 30 / 25) < 0.01);
});

t.test('PNG, twice as large', async (t) => {
  const { format, width } = await sharp(await chartFile('x.PNG', withPeer())).metadata();
  t.strictSame({ format, width }, { format: 'png', width: 1640 });
  t.equal((await chartFile('x.svg', withPeer())).toString(), drawChart(withPeer()));
  t.throws(() => chartEnding('x.pdf'), { code: 'INVALID_ARGUMENT', message: /\.svg or \.png, got 'x\.pdf'/ });
});
