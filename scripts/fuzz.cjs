'use strict';
// Fuzzes the native readers of model files (native/fuzz/) with clang's libFuzzer. Arguments: --runs N for each target
// (1,000,000), --target NAME, which may be repeated (all), --folder DIR for the build, the corpora and what was found
// (a folder in the system's temporary one). CC and CXX name the compilers, else clang and clang++. Exit code 1: a find.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { seeds, words } = require('./fuzz-seeds.cjs');

const root = path.resolve(__dirname, '..');
const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000000' },
    target: { type: 'string', multiple: true },
    folder: { type: 'string', default: path.join(os.tmpdir(), 'node-diffusion-fuzz') },
  },
});
const out = path.join(options.folder, 'build', 'out');

function run(command, args, settings) {
  const { status, signal, error, stderr } = spawnSync(command, args, { maxBuffer: 2 ** 30, ...settings });
  if (error) throw error;
  return { ok: status === 0, how: signal ?? status, log: stderr?.toString() ?? '' };
}

function build() {
  const compilers = [
    `-DCMAKE_C_COMPILER=${process.env.CC ?? 'clang'}`,
    `-DCMAKE_CXX_COMPILER=${process.env.CXX ?? 'clang++'}`,
  ];
  const folder = path.join(options.folder, 'build');
  const configure = ['-S', root, '-B', folder, '-DCMAKE_JS_INC=', '-DND_FUZZ=ON', `-DND_OUT=${out}`, ...compilers];
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
  if (!run('cmake', configure, quiet).ok || !run('cmake', ['--build', folder, '--parallel'], quiet).ok) process.exit(2);
}

/** Runs one target; tells how often, and what it found. */
function fuzz(target, starts) {
  const corpus = path.join(options.folder, 'corpus', target);
  const finds = path.join(options.folder, 'finds', target);
  for (const folder of [corpus, finds]) fs.mkdirSync(folder, { recursive: true });
  starts.forEach((bytes, i) => {
    fs.writeFileSync(path.join(corpus, `seed-${i}`), bytes);
  });
  const known = path.join(root, 'native', 'fuzz', 'regressions', target);
  if (fs.existsSync(known)) fs.cpSync(known, corpus, { recursive: true });
  const dictionary = path.join(options.folder, 'words.dict');
  const escaped = (word) =>
    [...word].map((c) => (/[a-z0-9_.]/i.test(c) ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)).join('');
  fs.writeFileSync(dictionary, words.map((word) => `"${escaped(word)}"\n`).join(''));
  const program = path.join(out, `nd_fuzz_${target}`);
  const limits = ['-timeout=60', '-rss_limit_mb=2048', '-malloc_limit_mb=256'];
  const before = new Set(fs.readdirSync(finds));
  const longest = Math.max(2048, ...starts.map((bytes) => bytes.length));
  const result = run(program, [
    ...[`-runs=${options.runs}`, `-max_len=${longest}`, `-dict=${dictionary}`, ...limits],
    ...['-print_final_stats=1', '-verbosity=1', `-artifact_prefix=${finds}${path.sep}`, corpus],
  ]);
  const executions = Number(result.log.match(/number_of_executed_units: (\d+)/)?.[1] ?? 0);
  const found = fs.readdirSync(finds).filter((name) => !before.has(name));
  console.log(`${target}: ${executions} executions, ${result.ok ? 'nothing found' : `ended by ${result.how}`}`);
  if (!result.ok) console.log(result.log.slice(-6000));
  for (const name of found) {
    const file = path.join(finds, name);
    const minimised = path.join(finds, `minimised-${name}`);
    run(program, ['-minimize_crash=1', '-runs=20000', ...limits, `-exact_artifact_path=${minimised}`, file]);
    console.log(`found: ${fs.existsSync(minimised) ? minimised : file}`);
  }
  return result.ok;
}

build();
const all = seeds();
const targets = options.target ?? Object.keys(all);
const clean = targets.map((target) => fuzz(target, all[target] ?? []));
process.exit(clean.every(Boolean) ? 0 : 1);
