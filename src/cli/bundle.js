/**
 * Makes `dist/`: the program with all its packages in a few files, one for what every command needs and others for what only some do. A process
 * starts in half the time with it (decisions/0015). Called by npm after `npm ci` and before `npm pack`; it must never leave half a bundle behind.
 *
 *   node src/cli/bundle.js                 fails where it cannot be made
 *   node src/cli/bundle.js --if-possible   says why not, and leaves it at that: the sources run as well
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sourceState } from './source-state.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const made = join(root, 'dist')
/** The one package with machine code. It stays a package, and brings its own. */
const native = 'classic-level'

/** Places in our sources are named from the source file; in the bundle they are found from `dist/`. */
const places = {
  name: 'places',
  transform(code, id) {
    if (!id.startsWith(join(root, 'src')) || !code.includes('import.meta.url')) return null
    return code.replaceAll('import.meta.url', `new URL(${JSON.stringify(`../${relative(root, id)}`)}, import.meta.url)`)
  },
}

async function bundle() {
  const { rolldown } = await import('rolldown')
  const state = sourceState(root)
  const build = await rolldown({
    input: { main: join(root, 'src/cli/main.ts') },
    cwd: root,
    platform: 'node',
    external: [native],
    plugins: [places],
  })
  // Names and lines as written, so that a stack trace can be read; without comments, which a process would keep in memory.
  const { output } = await build.generate({
    format: 'esm',
    comments: { legal: true, annotation: false, jsdoc: false },
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  })
  await build.close()
  const folder = `${made}.new`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const { fileName, code } of output) writeFileSync(join(folder, fileName), narrow(code))
  writeFileSync(join(folder, 'LICENSES.txt'), licenses(output.flatMap(({ moduleIds }) => moduleIds ?? [])))
  writeFileSync(join(folder, 'state.txt'), state)
  rmSync(made, { recursive: true, force: true })
  renameSync(folder, made)
}

/** V8 keeps a file in twice the memory for one letter beyond Latin-1. All of ours stand in strings and patterns, where an escape is the same. */
const narrow = (code) =>
  code.replace(/[^\0-\u00ff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** What the packages in the bundle ask to be passed on with them. */
function licenses(modules) {
  const packages = new Set(modules.map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0] ?? ''))
  packages.delete('')
  return [...packages]
    .sort((a, b) => (a < b ? -1 : 1))
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const texts = readdirSync(folder).filter((file) => /^(?:licen[cs]e|notice|copying)/i.test(file))
      return [`== ${name} ${version} (${license})`, ...texts.map((file) => readFileSync(join(folder, file), 'utf8'))]
    })
    .flat()
    .join('\n\n')
}

try {
  await bundle()
} catch (error) {
  if (!process.argv.includes('--if-possible')) throw error
  console.error(`no bundle was made, so the program runs from its sources: ${error.message}`)
}
