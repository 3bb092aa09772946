/** What a report makes of rounds: figures, throughput, peers' ratios, text. */
import t from 'tap';
import { peerResultOf, resultOf, throughput } from '../../lib/bench/report';
import { describeReport } from '../../lib/bench/text';
import { aReport, aResult, aRound, peaks } from './reports';

t.test('throughput counts each product at the peak of its numbers', async (t) => {
  // 120e9 at 200e9 a second and 60e9 at 400e9 take 0.75 s.
  const { rate, shareOfPeak } = throughput({ f32: 0, bf16: 120e9, int8: 60e9 }, 1.5, peaks);
  t.equal(rate, 120e9);
  t.equal(shareOfPeak, 0.5);
  const noBf16 = throughput({ f32: 50e9, bf16: 0, int8: 0 }, 1, { f32: 100e9, bf16: 0, int8: 0 });
  t.equal(noBf16.shareOfPeak, 0.5, 'a CPU without a kind of product');
});

t.test('rounds of a configuration are one result', async (t) => {
  const result = resultOf({ width: 64, height: 128, precision: 'q8_0' }, peaks, [aRound(), aRound(2), aRound(4)]);
  t.match(result, { width: 64, height: 128, precision: 'q8_0', peaks });
  t.strictSame(result.load, { median: 2, least: 1, most: 4, count: 3 });
  t.strictSame(result.step, { median: 5, least: 2, most: 12, count: 6 }, 'all steps of all rounds');
  t.equal(result.unet.median, 3);
  t.equal(result.unet.rate, 60e9);
  t.equal(result.decode.shareOfPeak, 0.3, '0.3 s of products in a second');
  t.match(result.memory, { weightBytes: 2 ** 30, peakBytes: { median: 2 ** 31, count: 3 } });
});

t.test("a peer's figures are divided by ours, of what both tell", async (t) => {
  const ours = aResult();
  const { ratios, ...figures } = peerResultOf([{ step: [5, 10], peakBytes: 2 ** 30 }, { step: [5] }], ours);
  t.strictSame(figures.step, { median: 5, least: 5, most: 10, count: 3 });
  t.strictSame(ratios, {
    step: { median: 2, least: 5 / 3, most: 5 },
    peakBytes: { median: 0.5, least: 0.5, most: 0.5 },
  });
});

t.test('as text', async (t) => {
  const result = aResult();
  const peer = peerResultOf([{ step: [5, 10] }], result);
  result.peers = [
    { name: 'sd-cli', title: 'stable-diffusion.cpp', format: 'f16', ...peer },
    { name: 'diffusers', title: 'diffusers', skipped: 'it knows no such model' },
    {
      ...{ name: 'openvino-genai', title: 'OpenVINO GenAI', format: 'f16 weights' },
      ...peerResultOf([{ step: [5], computes: 'bf16' }], result),
    },
  ];
  const text = describeReport(aReport([result]));
  for (const line of [
    /^a\.safetensors: Stable Diffusion 1, 1000\.0 million parameters\n2 steps with guidance, 4 threads/,
    /A CPU <fast> & "new", 4 cores, avx2, 16\.0 GiB, Linux 6\.1 x64/,
    /measured peak {3}f32 100, bf16 200, int8 400 GFLOP\/s/,
    /step +2\.50 s \(2\.00 s to 3\.00 s\)/,
    /UNet pass +750 ms \(500 ms to 1\.00 s\) +120 GFLOP\/s, 50\.0 % of the peak \(67 % bf16, 33 % int8\)/,
    /peak memory +2\.00 GiB/,
    /stable-diffusion\.cpp, f16\n +step +7\.50 s \(5\.00 s to 10\.0 s\) +3\.00 x \(1\.67 x to 5\.00 x\) ours/,
    /diffusers: skipped, it knows no such model/,
    /OpenVINO GenAI, f16 weights, computing in bf16\n +step +5\.00 s +2\.00 x/,
  ]) {
    t.match(text, line);
  }
});
