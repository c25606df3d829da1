/**
 * The table of rooms in docs/architecture.md, as data. Columns: room, may import, may touch, is about. The order of the rows
 * is the order of the house. `may import` is `–`, a list of rooms, `all above` or `all above but x, y`; `may touch` counts
 * only what stands in backticks: packages (`@libp2p/*` for a whole scope) and `node:` modules.
 */
export interface Room {
  readonly name: string
  readonly mayImport: readonly string[]
  readonly mayTouch: readonly string[]
  /** Stands in the table by name only: no file may lie there yet. */
  readonly planned: boolean
}

/** The rooms in order; throws nothing: a row that cannot be read is a breach. */
export function roomTable(architecture: string): { rooms: Room[]; breaches: string[] } {
  const rooms: Room[] = []
  const breaches: string[] = []
  for (const [name, imports, touches, about] of rowsUnder(architecture, 'room')) {
    const room = unquoted(name ?? '')
    const above = rooms.map((known) => known.name)
    const mayImport = importsIn(imports ?? '', above)
    for (const wanted of mayImport)
      if (!above.includes(wanted)) breaches.push(`table: ${room} may import ${wanted}, which is no room above it`)
    if (above.includes(room)) breaches.push(`table: ${room} stands in two rows`)
    rooms.push({
      name: room,
      mayImport,
      mayTouch: [...(touches ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
      planned: (about ?? '').includes('*planned*'),
    })
  }
  return { rooms, breaches }
}

/** Rows of the first markdown table whose heading row starts with `first`, as trimmed cells. */
export function rowsUnder(markdown: string, first: string): string[][] {
  const lines = markdown.split('\n')
  const head = lines.findIndex((line) => new RegExp(`^\\|\\s*${first}\\s*\\|`).test(line))
  if (head === -1) return []
  const rows: string[][] = []
  for (const line of lines.slice(head + 2)) {
    if (!line.startsWith('|')) break
    rows.push(
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
  }
  return rows
}

const unquoted = (cell: string): string => cell.replaceAll('`', '').replace(/\/$/, '')

function importsIn(cell: string, above: readonly string[]): string[] {
  const text = unquoted(cell)
  if (text === '–' || text === '') return []
  const all = /^all above(?: but (.*))?$/.exec(text)
  const words = (list: string): string[] => list.split(/[\s,]+/).filter((word) => word !== '')
  if (!all) return words(text)
  const without = words(all[1] ?? '')
  return above.filter((room) => !without.includes(room))
}
