/** The names that somebody may have meant. */

/** Of `names` the ones nearest to `wanted` by edits, at most three; none that would take more than `most`, by default half of it. */
export function nearNames(wanted: string, names: Iterable<string>, most = Math.max(2, wanted.length / 2)): string[] {
  const target = wanted.toLowerCase();
  const distances = [...names].map((name) => ({ name, distance: editDistance(target, name.toLowerCase()) }));
  return distances
    .filter(({ name, distance }) => distance <= most || name.toLowerCase().includes(target))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Insertions, deletions and replacements from one text to another (Wagner and Fischer 1974). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1])));
    }
    row = next;
  }
  return row[b.length];
}
