/** The rules of the house (docs/architecture.md §2, docs/house-style.md), kept over the whole tree, each watched on a planted breach. */
import { describe, expect, it } from 'vitest'
import { fileURLToPath } from 'node:url'
import {
  citationBreaches,
  citationsIn,
  codesIn,
  documentedCodes,
  errorCodeBreaches,
  placeBreaches,
  placesIn,
  sectionsOf,
} from './support/house/document-rules.ts'
import {
  headerBreaches,
  lengthBreaches,
  machinePathBreaches,
  nameBreaches,
  plainErrorBreaches,
  skippedTestBreaches,
  unfinishedBreaches,
} from './support/house/form-rules.ts'
import { houseTree, treeOf, type HouseTree } from './support/house/house-tree.ts'
import { circleBreaches, importBreaches, roomBreaches, touchBreaches } from './support/house/import-rules.ts'
import { pureRooms, purityBreaches } from './support/house/purity-rules.ts'
import { roomTable } from './support/house/room-table.ts'
import { sourceText } from './support/house/source-text.ts'

const tree = houseTree(fileURLToPath(new URL('..', import.meta.url)))
const table = roomTable(tree.texts.get('docs/architecture.md') ?? '')

/** A tree of made-up files: `{'src/base/a.ts': 'text'}`. */
const made = (files: Record<string, string>): HouseTree => treeOf(new Map(Object.entries(files)))
const small = roomTable(
  '| room | may import | may touch | is about |\n|---|---|---|---|\n' +
    '| `base` | – | `node:crypto` | a |\n| `mesh` | base | `@libp2p/*` | b |\n| `cli` | all above but mesh | – | c |\n',
).rooms

describe('the table of rooms', () => {
  it('is read: it has all pure rooms in order and every row can be understood', () => {
    expect(table.breaches).toEqual([])
    expect(table.rooms.length).toBeGreaterThan(pureRooms.length)
    expect(table.rooms.slice(0, pureRooms.length).map((room) => room.name)).toEqual(pureRooms)
  })

  it('names every folder of src, and marks as planned exactly what is not built', () => {
    expect(roomBreaches(tree, table.rooms)).toEqual([])
  })

  it('refuses a row that imports a room below it', () => {
    const rows =
      '| room | may import | may touch | is about |\n|---|---|---|---|\n| `a` | b | – | x |\n| `b` | – | – | y |\n'
    expect(roomTable(rows).breaches).toEqual(['table: a may import b, which is no room above it'])
  })

  it('tells an unknown room, a planned room that is built, and a room without files', () => {
    const rooms = [
      { name: 'base', mayImport: [], mayTouch: [], planned: true },
      { name: 'disk', mayImport: [], mayTouch: [], planned: false },
    ]
    expect(roomBreaches(made({ 'src/base/a.ts': '', 'src/attic/a.ts': '', 'src/stray.ts': '' }), rooms)).toEqual([
      'attic is no room of the table',
      'base is built, yet marked as planned',
      'disk has no file, and is not marked as *planned*',
      'src/stray.ts stands outside all rooms',
    ])
  })
})

describe('imports', () => {
  it('go only to rooms of the same row, as #room/file.ts across and ./file.ts within', () => {
    expect(tree.sources.flatMap((source) => source.imports).length).toBeGreaterThan(20)
    expect(importBreaches(tree, table.rooms)).toEqual([])
  })

  it('of packages and Node modules are those that the row names', () => {
    expect(touchBreaches(tree, table.rooms)).toEqual([])
  })

  it('make no circle', () => {
    expect(circleBreaches(tree)).toEqual([])
  })

  it('are found in every form, and each way to break the rule is told', () => {
    const breaches = importBreaches(
      made({
        'src/base/a.ts':
          "import type { B } from '#mesh/b.ts'\nimport { c } from '../mesh/b.ts'\nimport { d } from '#base/d.ts'\n",
        'src/base/d.ts':
          "const b = await import('#mesh/b.ts')\nexport * from './a.ts'\nimport './a'\nimport './gone.ts'\n",
        'src/mesh/b.ts': "import {\n  a,\n  type A,\n} from '#base/a.ts'\n",
        'src/cli/e.ts': "import { b } from '#mesh/b.ts'\nconst text = \"import { x } from '#mesh/b.ts'\"\n",
      }),
      small,
    )
    expect(breaches).toEqual([
      'src/base/a.ts:1 base may not import mesh',
      'src/base/a.ts:2 leaves its room by a relative path: ../mesh/b.ts',
      'src/base/a.ts:2 base may not import mesh',
      'src/base/a.ts:3 stays in its room: write ./ instead of #base/d.ts',
      'src/base/d.ts:2 re-exports ./a.ts: there is one way to each thing',
      'src/base/d.ts:3 imports ./a without its ending',
      'src/base/d.ts:4 imports ./gone.ts, which does not exist',
      'src/base/d.ts:1 base may not import mesh',
      'src/cli/e.ts:1 cli may not import mesh',
    ])
  })

  it('of a package outside the row are told, scopes count as a whole', () => {
    const files = {
      'src/base/a.ts': "import { createHash } from 'node:crypto'\nimport { open } from 'node:fs/promises'\n",
      'src/mesh/b.ts':
        "import { tcp } from '@libp2p/tcp'\nimport { x } from '@libp2pish/tcp'\nimport level from 'level/sub'\n",
    }
    expect(touchBreaches(made(files), small)).toEqual([
      'src/base/a.ts:2 base may not touch node:fs/promises',
      'src/mesh/b.ts:2 mesh may not touch @libp2pish/tcp',
      'src/mesh/b.ts:3 mesh may not touch level/sub',
    ])
  })

  it('in a circle are told, a circle of types alone is none', () => {
    const files = {
      'src/base/a.ts': "import { b } from './b.ts'",
      'src/base/b.ts': "import { c } from './c.ts'",
      'src/base/c.ts': "import { a } from './a.ts'\nimport { type D } from './d.ts'",
      'src/base/d.ts': "import type { C } from './c.ts'",
    }
    expect(circleBreaches(made(files))).toEqual([
      'circle: src/base/a.ts → src/base/b.ts → src/base/c.ts → src/base/a.ts',
    ])
  })
})

describe('pure rooms', () => {
  it('have no clock, no timer, no chance, no waiting and no process', () => {
    expect(purityBreaches(tree)).toEqual([])
  })

  const impure = [
    'Date.now()',
    'new Date()',
    'Date()',
    'performance.now()',
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
    'queueMicrotask(f)',
    'Math.random()',
    'randomBytes(8)',
    'nacl.box.keyPair()',
    'await x',
    'async () => x',
    'async function f() {}',
    'new Promise(f)',
    'x.then(f)',
    'process.env',
    'process?.exit()',
    'const { env } = process',
    'globalThis.x',
    '`${Date.now()}`',
    'AbortSignal.timeout(5)',
    'crypto.getRandomValues(b)',
  ]
  it.each(impure)('would be told of %s', (code) => {
    expect(purityBreaches(made({ 'src/agent/a.ts': `const a = 1\n${code}\n` }))).toHaveLength(1)
    expect(purityBreaches(made({ 'src/disk/a.ts': code }))).toEqual([])
  })

  const pure = [
    '// Date.now() is not here',
    "'await'",
    '`await ${x} async`',
    'new Date(now)',
    'nacl.sign.keyPair.fromSeed(seed)',
    'process.match',
    'resource.process',
    '/await/',
    'const awaited = x',
    'Promise.resolve(x)',
    'interface A { put(): Promise<void> }',
    'x / y; "Math.random" / 2',
    "case 'process': return process",
  ]
  it.each(pure)('would not be troubled by %s', (code) => {
    expect(purityBreaches(made({ 'src/agent/a.ts': code }))).toEqual([])
  })
})

describe('files', () => {
  it('have names that say what they hold', () => {
    expect(nameBreaches(tree)).toEqual([])
    expect(
      nameBreaches(made({ 'src/base/byteUtils.ts': '', 'src/base/file-helper.ts': '', 'src/base/fine-name.ts': '' })),
    ).toEqual([
      'src/base/byteUtils.ts: "byteUtils" is not kebab-case',
      'src/base/file-helper.ts: "helper" is no name, the name that fails to come is a room that is missing',
    ])
  })

  it('are at most 400 lines long', () => {
    expect(lengthBreaches(tree)).toEqual([])
    expect(lengthBreaches(made({ 'src/base/a.ts': 'x\n'.repeat(401), 'src/base/b.ts': 'x\n'.repeat(400) }))).toEqual([
      'src/base/a.ts has 401 lines, at most 400',
    ])
  })

  it('begin with a comment whose first sentence says what they are for', () => {
    expect(headerBreaches(tree)).toEqual([])
    const files = {
      'src/base/a.ts': 'export {}',
      'src/base/b.ts': '/** tells little */',
      'src/base/c.ts': '/** Time. */',
      'src/base/d.ts': '/**\n * Time as branded\n * milliseconds. No clock.\n */',
      'src/cli/e.js': '#!/usr/bin/env node\n/** Checks the version of Node. */',
    }
    expect(headerBreaches(made(files))).toEqual([
      'src/base/a.ts does not begin with a header comment',
      'src/base/b.ts: its header does not begin with a sentence',
      'src/base/c.ts: its header begins with "Time.", which says too little',
    ])
  })

  it('throw errors with a family and a code, plain ones are made in base alone', () => {
    expect(plainErrorBreaches(tree)).toEqual([])
    const files = { 'src/disk/a.ts': "// new Error('x')\nthrow new Error('x')", 'src/base/errors.ts': 'new Error()' }
    expect(plainErrorBreaches(made(files))).toEqual([
      'src/disk/a.ts:2 makes an error without family and code: new Error',
    ])
  })

  it('hold no mark of unfinished work', () => {
    expect(unfinishedBreaches(tree)).toEqual([])
    expect(unfinishedBreaches(made({ 'src/base/a.ts': `// ${['TO', 'DO'].join('')} later` }))).toHaveLength(1)
  })

  it('hold no path and no host of the machine they were written on', () => {
    expect(machinePathBreaches(tree)).toEqual([])
    const files = {
      'docs/a.md': `see ${['', 'work', 'x'].join('/')}`,
      'package.json': `https://${['registry', 'npmjs', 'org'].join('.')}/a`,
      'b.md': 'src/work/x, ~/work/x',
    }
    expect(machinePathBreaches(made(files))).toHaveLength(2)
  })
})

describe('tests', () => {
  it('are all run: none is left out, and one that needs a tool says how to install it', () => {
    expect(skippedTestBreaches(tree)).toEqual([])
    const files = {
      'test/a.test.ts': "it.skip('x', f)\ndescribe.only('x', f)\nit.skipIf(missing)('applies', f)\n",
      'test/b.test.ts':
        "it.skipIf(missing)('applies (needs cf-agent: apt-get install cfengine3)', f)\nstream.skip(1)\n",
    }
    expect(skippedTestBreaches(made(files))).toEqual([
      'test/a.test.ts:1 leaves tests out: it.skip',
      'test/a.test.ts:2 leaves tests out: describe.only',
      'test/a.test.ts:3 skips without an install command in its name',
    ])
  })
})

describe('documents', () => {
  it('hold every section that a source cites', () => {
    expect(citationsIn(tree).length).toBeGreaterThan(5)
    for (const document of ['protocol', 'trust'].filter((name) => tree.texts.has(`docs/${name}.md`)))
      expect(
        sectionsOf(tree.texts.get(`docs/${document}.md`) ?? '').size,
        `sections of ${document}.md`,
      ).toBeGreaterThan(4)
    expect(citationBreaches(tree)).toEqual([])
  })

  it('would be told of a section or a document that does not exist', () => {
    const files = {
      'docs/protocol.md': '## §5 Site\n§5.2 **Duty.** Text\n**§5.5a LAN.** Text\n### 7. Ledger\nsee §9.9 here\n',
      'src/protocol/a.ts':
        '// protocol.md §5.2, §9.9 and §5.5a; protocol.md §7\n/**\n * protocol.md\n * §8.1 and other.md §1, trust.md §2\n */',
    }
    expect(citationBreaches(made(files))).toEqual([
      'src/protocol/a.ts cites protocol.md §9.9, which stands nowhere',
      'src/protocol/a.ts cites protocol.md §8.1, which stands nowhere',
      'src/protocol/a.ts cites docs/other.md, which does not exist',
    ])
  })

  it('list every error code under its family, and no code that nothing produces or no test meets', () => {
    expect(codesIn(tree).length).toBeGreaterThan(0)
    expect(documentedCodes(tree.texts.get('docs/errors.md') ?? '').length).toBeGreaterThan(0)
    expect(errorCodeBreaches(tree)).toEqual([])
  })

  it('would be told of each way in which codes and their list part', () => {
    const files = {
      'docs/errors.md': '| A_GOOD | Refused | x | y |\n| A_GONE | Refused | x | y |\n| A_LONE | Negative | x | y |\n',
      'src/disk/a.ts':
        "new Refused('A_GOOD', t)\nnew Unavailable('A_LONE', t)\nconst code = ok ? 'A_NEW' : process.env['SOME_HOME']\nif (x === 'A_FOREIGN') f('A_NEW')\n",
      'test/a.test.ts': "expect(code).toBe('A_GOOD'); 'A_GONE'",
    }
    expect(errorCodeBreaches(made(files))).toEqual([
      'src/disk/a.ts:2 A_LONE is Unavailable here and Negative in docs/errors.md',
      'src/disk/a.ts:3 A_NEW is not in docs/errors.md',
      'docs/errors.md: nothing produces A_GONE',
      'docs/errors.md: no test meets A_LONE',
    ])
  })

  it('say where things happen, and the files exist', () => {
    expect(placesIn(tree).length).toBeGreaterThan(8)
    expect(placeBreaches(tree)).toEqual([])
    const page = {
      'docs/architecture.md': '| question | file |\n|---|---|\n| a | `trust/keys.ts`, `sim/a.ts` |\n',
      'sim/a.ts': '',
    }
    expect(placeBreaches(made(page))).toEqual([
      'docs/architecture.md: "a" names src/trust/keys.ts, which does not exist',
    ])
  })
})

describe('the scanner behind the rules', () => {
  it('tells code from comments, strings, templates and regular expressions', () => {
    const { bare, code } = sourceText('a.ts', "a('b // c', `d ${e /* f */ + '}'} g`) // h\nreturn /[/'i]/.test(j) / k")
    expect(bare.replaceAll(/\s+/g, ' ')).toBe("a(' ', ` ${e + ' '} `) return / /.test(j) / k")
    expect(code.replaceAll(/ +/g, ' ')).toBe("a('b // c', `d ${e + '}'} g`) \nreturn /[/'i]/.test(j) / k")
  })
})
