/** The candidate that was probably meant: at most two letters away, and less than half of the word. */
export function closest(word: string, candidates: readonly string[]): string | null {
  let found: string | null = null;
  let least = Math.min(3, Math.ceil(word.length / 2));
  for (const candidate of candidates) {
    const distance = lettersBetween(word, candidate);
    if (distance >= least) continue;
    least = distance;
    found = candidate;
  }
  return found;
}

/** Letters to insert, drop or replace on the way from one word to the other (Levenshtein). */
function lettersBetween(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const inserted = (current[column - 1] ?? 0) + 1;
      const dropped = (previous[column] ?? 0) + 1;
      current.push(Math.min(replaced, inserted, dropped));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
