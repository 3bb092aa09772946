/** Maps that hold what was used last. */

/** Puts an entry last, as the most recently used one -> the one that falls out of a map of so many. */
export function keepLast<K, V>(entries: Map<K, V>, key: K, value: V, limit: number): V | undefined {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size <= limit) return undefined;
  const [oldest, unused] = entries.entries().next().value!;
  entries.delete(oldest);
  return unused;
}
