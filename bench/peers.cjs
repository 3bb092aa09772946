'use strict';
// stable-diffusion.cpp's command line on the same weights: SD_CLI is a build in its best configuration, run with flash attention,
// SD_CLI_DEFAULT a default build, run with its defaults and only as long as its steps take.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** Seconds that a log line tells after `what`. */
const seconds = (log, what) => {
  const found = log.match(new RegExp(`${what} completed, taking ([\\d.]+)s`));
  return found ? Number(found[1]) : undefined;
};

/** Runs each binary that the environment names; `onPeer` hears of each. 16 bits are f16 there, the file's own format. */
exports.measurePeers = async ({ precision, ...options }, onPeer) => {
  const type = { auto: 'f16', f16: 'f16', q8_0: 'q8_0' }[precision];
  const { SD_CLI, SD_CLI_DEFAULT } = process.env;
  const peers = [];
  if (type === undefined) return peers;
  for (const [configuration, program] of [
    ['best', SD_CLI],
    ['default', SD_CLI_DEFAULT],
  ]) {
    if (!program) continue;
    peers.push({ configuration, type, ...(await measure(program, configuration === 'best', type, options)) });
    onPeer(peers.at(-1));
  }
  return peers;
};

function measure(program, best, type, { file, prompt, size, steps, threads }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-peer-'));
  const args = ['-m', file, '-p', prompt, '-W', size, '-H', size, '--steps', steps, '-t', threads, '--type', type];
  args.push('--cfg-scale', 7, '-s', 1, '-o', path.join(folder, 'picture.png'));
  if (best) args.push('--diffusion-fa');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    let peakBytes;
    const hear = (chunk) => {
      log += chunk;
      peakBytes = peakOf(child.pid) ?? peakBytes;
      if (!best && stepsIn(log, steps).length === steps) child.kill('SIGKILL');
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('close', () => {
      fs.rmSync(folder, { recursive: true });
      const taken = stepsIn(log, steps);
      const decodeSeconds = seconds(log, 'decode_first_stage');
      if (taken.length < steps || (best && decodeSeconds === undefined)) {
        return reject(
          new Error(`${program}: expected the times of ${steps} steps and of decoding in its log, got:\n${log}`),
        );
      }
      resolve({
        loadSeconds: seconds(log, 'loading tensors'),
        stepSeconds: Math.min(...taken), // in its favour where the machine is noisy
        decodeSeconds,
        peakBytes,
      });
    });
  });
}

/** The time of each step, from the progress lines: `| 2/3 - 13.70s/it`, or `it/s` below a second. */
function stepsIn(log, steps) {
  const lines = log.matchAll(new RegExp(`\\| (\\d+)/${steps} - ([\\d.]+)(s/it|it/s)`, 'g'));
  return [...lines].map(([, , value, unit]) => (unit === 's/it' ? Number(value) : 1 / Number(value)));
}

/** Peak resident memory of a process that runs; known on Linux only. */
function peakOf(pid) {
  try {
    return 1024 * Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/)[1]);
  } catch {
    return undefined;
  }
}

exports.printPeer = (peer, ours) => {
  const times = (theirs, our) => `${theirs.toFixed(2)} s, ${(theirs / our).toFixed(2)} times ours`;
  const parts = [`step ${times(peer.stepSeconds, ours.stepSeconds)}`];
  // Its decoding is the first of its process: against our first one.
  if (peer.decodeSeconds) parts.push(`decode ${times(peer.decodeSeconds, ours.firstDecodeSeconds)}`);
  if (peer.loadSeconds) parts.push(`load ${peer.loadSeconds.toFixed(1)} s`);
  if (peer.peakBytes) parts.push(`peak memory ${(peer.peakBytes / 2 ** 30).toFixed(2)} GiB`);
  console.log(`  stable-diffusion.cpp, ${peer.configuration}, ${peer.type}: ${parts.join('; ')}`);
};
