/** Runs the native tests (native/test/) and reports each as one of ours. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import t, { type Test } from 'tap';

const folder = path.resolve(__dirname, '..', 'build', 'Release');

for (const program of ['nd_tests', ...(process.platform === 'linux' ? ['nd_memory_tests'] : [])]) {
  t.test(program, (t) => runProgram(t, path.join(folder, program + (process.platform === 'win32' ? '.exe' : ''))));
}

async function runProgram(t: Test, program: string): Promise<void> {
  const { stdout, stderr, status, error } = spawnSync(program, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (error) throw error;
  const lines = stdout.split('\n');
  for (const [i, line] of lines.entries()) {
    const [, not, name] = line.match(/^(not )?ok \d+ - (.*)$/) ?? [];
    if (name === undefined) continue;
    const notes = [];
    for (let j = i + 1; lines[j]?.startsWith('  #'); j++) notes.push(lines[j].slice(4));
    t.notOk(not, [name, ...notes].join('\n'));
  }
  const plan = Number(stdout.match(/^1\.\.(\d+)$/m)?.[1] ?? 0);
  t.ok(plan > 0, `the native program finished its plan${plan > 0 ? '' : `: ${stderr.slice(-2000)}`}`);
  t.equal(status, 0, 'exit status');
}
