/** Who may import what: arrows between rooms, how an import is written, circles between files, and outside packages. */
import { posix } from 'node:path'
import { roomOf, type HouseTree } from './house-tree.ts'
import type { Room } from './room-table.ts'
import type { Import, SourceText } from './source-text.ts'

/** Rule 1: a room imports only the rooms of its row, `#room/file.ts` across and `./file.ts` within; every import exists. */
export function importBreaches(tree: HouseTree, rooms: readonly Room[]): string[] {
  const breaches: string[] = []
  const paths = new Set(tree.sources.map((source) => source.path))
  for (const source of tree.sources) {
    const room = roomOf(source.path)
    const row = rooms.find((candidate) => candidate.name === room)
    for (const found of source.imports.filter((item) => isOwn(item.from))) {
      const at = `${source.path}:${found.line}`
      const target = targetOf(source, found)
      if (!/\.(?:ts|js)$/.test(found.from)) breaches.push(`${at} imports ${found.from} without its ending`)
      else if (!paths.has(target)) breaches.push(`${at} imports ${found.from}, which does not exist`)
      if (room === undefined) continue
      const goal = roomOf(target)
      const across = goal !== room
      if (across && !found.from.startsWith('#'))
        breaches.push(`${at} leaves its room by a relative path: ${found.from}`)
      if (!across && found.from.startsWith('#'))
        breaches.push(`${at} stays in its room: write ./ instead of ${found.from}`)
      if (across && row && !row.mayImport.includes(goal ?? ''))
        breaches.push(`${at} ${room} may not import ${goal ?? target}`)
      if (found.reexport) breaches.push(`${at} re-exports ${found.from}: there is one way to each thing`)
    }
  }
  return breaches
}

/** Rule 2: packages and node modules only where the row names them. Tests may use anything. */
export function touchBreaches(tree: HouseTree, rooms: readonly Room[]): string[] {
  const breaches: string[] = []
  for (const source of tree.sources) {
    const row = rooms.find((candidate) => candidate.name === roomOf(source.path))
    if (row === undefined) continue
    for (const found of source.imports.filter((item) => !isOwn(item.from))) {
      const name = packageOf(found.from)
      const allowed = row.mayTouch.some((item) =>
        item.endsWith('/*') ? name.startsWith(item.slice(0, -1)) : item === name || item === found.from,
      )
      if (!allowed) breaches.push(`${source.path}:${found.line} ${row.name} may not touch ${found.from}`)
    }
  }
  return breaches
}

/** No file needs itself through others. Imports of types alone are no need: nothing is loaded. */
export function circleBreaches(tree: HouseTree): string[] {
  const needs = new Map(
    tree.sources.map((source) => [
      source.path,
      source.imports.filter((item) => isOwn(item.from) && !item.typeOnly).map((item) => targetOf(source, item)),
    ]),
  )
  const done = new Set<string>()
  const breaches: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(path)
    if (seen !== -1) breaches.push(`circle: ${[...trail.slice(seen), path].join(' → ')}`)
    if (seen !== -1 || done.has(path)) return
    for (const next of needs.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of needs.keys()) visit(path, [])
  return breaches
}

/** Every folder of src is a room of the table; a room without files is marked as planned, and one with files is not. */
export function roomBreaches(tree: HouseTree, rooms: readonly Room[]): string[] {
  const built = new Set(tree.sources.map((source) => roomOf(source.path)).filter((room) => room !== undefined))
  const astray = tree.sources.filter((source) => /^src\/[^/]+$/.test(source.path))
  return [
    ...[...built]
      .filter((room) => !rooms.some((row) => row.name === room))
      .map((room) => `${room} is no room of the table`),
    ...rooms
      .filter((row) => row.planned && built.has(row.name))
      .map((row) => `${row.name} is built, yet marked as planned`),
    ...rooms
      .filter((row) => !row.planned && !built.has(row.name))
      .map((row) => `${row.name} has no file, and is not marked as *planned*`),
    ...astray.map((source) => `${source.path} stands outside all rooms`),
  ]
}

const isOwn = (from: string): boolean => /^[.#/]/.test(from)

const targetOf = (source: SourceText, found: Import): string => {
  if (found.from.startsWith('#sim/')) return found.from.slice(1)
  if (found.from.startsWith('#')) return `src/${found.from.slice(1)}`
  return posix.normalize(posix.join(posix.dirname(source.path), found.from))
}

const packageOf = (from: string): string =>
  from.startsWith('node:') ? from : from.split('/', from.startsWith('@') ? 2 : 1).join('/')
