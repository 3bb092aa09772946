'use strict';
// Reads a log of `npm test` and ends it with one plain line: `N passed, N failed`.
const fs = require('node:fs');

const totals =
  fs
    .readFileSync(process.argv[2], 'utf8')
    .match(/^# \{ total: .*\}$/gm)
    ?.pop() ?? '';
const count = (name) => Number(totals.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0);
console.log(`${count('pass')} passed, ${count('fail')} failed`);
