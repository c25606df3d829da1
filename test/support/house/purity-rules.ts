/**
 * Keeps the rooms that know and decide pure (rule 3 of docs/architecture.md): time and chance come in as arguments, nothing waits, nothing reaches the
 * process. What is not found here: a pure room cannot hide such a call in another room, since it imports only pure ones.
 */
import { roomOf, type HouseTree } from './house-tree.ts'
import { lineAt } from './source-text.ts'

export const pureRooms = ['base', 'trust', 'content', 'facts', 'policy', 'protocol', 'agent', 'origin', 'member']

const processMembers =
  'argv|cwd|emit\\w*|env|exec\\w*|exit\\w*|getuid|hrtime|kill|memoryUsage|nextTick|off|on|once|pid|platform|std\\w+|umask|uptime|version\\w*'

const impure: readonly { readonly what: string; readonly patterns: readonly RegExp[] }[] = [
  {
    what: 'reads the clock',
    patterns: [
      /\bDate\.now\b|\bnew Date\s*\(\s*\)|\bperformance\.now\b|\bTemporal\.Now\b|\bhrtime\b/g,
      /(?<!\bnew\s+)(?<![\w$.])Date\s*\(/g,
    ],
  },
  {
    what: 'uses a timer',
    patterns: [/(?<![\w$.])(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bAbortSignal\.timeout\b/g],
  },
  {
    what: 'draws by chance',
    patterns: [
      /\bMath\.random\b|\b(?:randomBytes|randomUUID|randomInt|randomFill(?:Sync)?|getRandomValues)\b/g,
      // tweetnacl's keyPair() without a seed draws one.
      /\bgenerateKeyPair(?:Sync)?\b|\bkeyPair\s*\(\s*\)/g,
    ],
  },
  {
    what: 'waits',
    patterns: [/(?<![\w$.#])(?:await|async)\b(?!\s*[:,])/g, /\bnew Promise\b|\.then\s*\(/g],
  },
  {
    what: 'reaches the process',
    patterns: [
      // A local variable may be called process (a policy has such resources); only what the global one offers is found.
      new RegExp(`(?<![\\w$.#])process\\s*\\??\\.\\s*(?:${processMembers})\\b`, 'g'),
      /\}\s*=\s*process\b|\bglobalThis\b/g,
    ],
  },
]

/** Every impure word in a pure room, with its place. */
export function purityBreaches(tree: HouseTree): string[] {
  const breaches: string[] = []
  for (const source of tree.sources.filter((item) => pureRooms.includes(roomOf(item.path) ?? '')))
    for (const { what, patterns } of impure)
      for (const match of patterns.flatMap((pattern) => [...source.bare.matchAll(pattern)]))
        breaches.push(`${source.path}:${lineAt(source.bare, match.index)} ${what}: ${match[0].trim()}`)
  return breaches
}
