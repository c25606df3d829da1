/** The word that was probably meant: the nearest of the known ones, at most two typing errors away. */

/** The candidate nearest to `word` by Levenshtein distance, upper and lower case alike; undefined beyond two errors. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 64) return undefined
  const wanted = word.toLowerCase()
  let best: string | undefined
  // A word of three letters is two errors away from nearly anything: the errors must stay fewer than the letters that fit.
  let least = Math.min(3, Math.ceil(wanted.length / 2) + 1)
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) >= least) continue
    const errors = distance(wanted, candidate.toLowerCase())
    if (errors < least) {
      least = errors
      best = candidate
    }
  }
  return best
}

/** `Did you mean "x"?`, or the list of what is known. */
export function suggest(word: string, candidates: readonly string[]): string {
  const guess = nearest(word, candidates)
  if (guess !== undefined) return `Did you mean "${guess}"?`
  return candidates.length === 0 ? 'Nothing is known here: leave it out.' : `Known here: ${candidates.join(', ')}.`
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
