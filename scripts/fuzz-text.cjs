'use strict';
// Fuzzes the readers of untrusted bytes in TypeScript, as they are built in dist/: pictures' parameters, saved runs, vocabularies, prompts.
// Arguments: --runs N for each reader (100,000), --reader NAME, which may be repeated (all), --seed N (by the clock), --folder DIR for what
// is found (the system's temporary one). Exit code 1: a find.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { complaint, mutated, randomFrom, readers } = require('../test/support/text-readers.cjs');

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    reader: { type: 'string', multiple: true },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    folder: { type: 'string', default: os.tmpdir() },
  },
});
const mostBytes = 2 ** 30; // of the process

console.log(`seed ${options.seed}`);
for (const name of options.reader ?? Object.keys(readers)) {
  const reader = readers[name];
  const random = randomFrom(Number(options.seed));
  for (let i = 0; i < Number(options.runs); i++) {
    const bytes = mutated(reader.seeds, random);
    const error = complaint(reader, bytes) ?? (i % 1000 === 0 && tooLarge());
    if (!error) continue;
    const file = path.join(options.folder, `find-${name.replaceAll(' ', '-')}-${i}`);
    fs.writeFileSync(file, bytes);
    console.log(`${name}: execution ${i}: ${error.stack}\n${file}`);
    process.exit(1);
  }
  console.log(`${name}: ${options.runs} executions, nothing found`);
}

function tooLarge() {
  const { rss } = process.memoryUsage();
  return rss > mostBytes && new Error(`the process has grown to ${rss} bytes`);
}
