/** `why`: where each byte on the line of this member went, as a document whose lines add up to its sums. */
import { isDigest, type Digest } from '#base/digest.ts'
import { Misconfigured, Negative } from '#base/errors.ts'
import { toTimestamp, type Instant } from '#base/time.ts'
import { Account, type Duplicates } from '#protocol/account.ts'
import { controlKinds, type ControlKind, type Ledger } from '#protocol/ledger.ts'
import { nameText, type ContentName } from './content-names.ts'
import type { Session } from './session.ts'
import { factorOf } from './status.ts'

interface WhyTraffic {
  readonly downBytes: number
  readonly upBytes: number
}

interface WhyAccount extends WhyTraffic {
  /** Bytes that came in vain, also counted in `downBytes`, and why. */
  readonly duplicateBytes: number
  readonly duplicates: Duplicates
  /** By whom; `peerId` null: all others. */
  readonly peers: readonly (WhyTraffic & {
    readonly peerId: string | null
    readonly name: string | null
    readonly site: string | null
    readonly duplicateBytes: number
  })[]
}

export interface WhyContent extends WhyAccount {
  readonly content: Digest
  /** What people call it; null where nobody knows any more. */
  readonly name: string | null
  readonly bundle: string | null
  readonly version: number | null
  readonly what: ContentName['what'] | null
  readonly path: string | null
}

export interface WhyDocument extends WhyTraffic {
  /** When counting began; it survives restarts. */
  readonly since: string
  /** What this member had to learn, however it came. */
  readonly neededBytes: number
  readonly factor: number | null
  readonly controlBytes: number
  readonly duplicateBytes: number
  readonly duplicates: Duplicates
  readonly control: readonly (WhyAccount & { readonly kind: ControlKind })[]
  /** The one with the most bytes first; with `--content` only that one. */
  readonly contents: readonly WhyContent[]
  /** Contents beyond the limit of the ledger, those longest without traffic, as one. */
  readonly older: WhyAccount & { readonly contents: number }
}

export async function why(session: Session, args: Readonly<Record<string, unknown>>): Promise<WhyDocument> {
  const { protocol } = session.member
  const names = await session.ledgerBook.names()
  const { ledger, neededBytes } = protocol
  const document = whyDocument({ ledger, neededBytes, names, since: session.ledgerBook.since })
  const wanted = args['content']
  if (typeof wanted !== 'string') return document
  const digest = digestOf(wanted, [...names.keys(), ...ledger.entries().map(([content]) => content)])
  const found = document.contents.find(({ content }) => content === digest)
  return { ...document, contents: [found ?? contentOf(digest, new Account(0), ledger, names)] }
}

interface WhyOf {
  readonly ledger: Ledger
  readonly neededBytes: number
  readonly names: ReadonlyMap<Digest, ContentName>
  readonly since: Instant
}

function whyDocument({ ledger, neededBytes, names, since }: WhyOf): WhyDocument {
  const { wan, controlBytes, older, olderContents } = ledger
  const contents = ledger.entries().map(([digest, account]) => contentOf(digest, account, ledger, names))
  const all = new Account(0)
  for (const account of [older, ...ledger.entries().map((entry) => entry[1])]) all.absorb(account.state())
  return {
    since: toTimestamp(since),
    ...wan,
    neededBytes,
    factor: factorOf(wan.downBytes, neededBytes),
    controlBytes,
    duplicateBytes: all.duplicateBytes,
    duplicates: all.duplicates,
    control: controlKinds.map((kind) => ({ kind, ...accountOf(ledger.control[kind], ledger) })),
    contents: contents.toSorted((a, b) => bytesOf(b) - bytesOf(a)),
    older: { contents: olderContents, ...accountOf(older, ledger) },
  }
}

const bytesOf = ({ downBytes, upBytes }: WhyTraffic): number => downBytes + upBytes

function contentOf(
  content: Digest,
  account: Account,
  ledger: Ledger,
  names: ReadonlyMap<Digest, ContentName>,
): WhyContent {
  const name = names.get(content)
  const { bundle = null, version = null, what = null, path = null } = name ?? {}
  return {
    content,
    name: name ? nameText(name) : null,
    bundle,
    version,
    what,
    path,
    ...accountOf(account, ledger),
  }
}

function accountOf(
  { downBytes, upBytes, duplicateBytes, duplicates, peers, others }: Account,
  ledger: Ledger,
): WhyAccount {
  const named = [...peers].map(([peerId, share]) => {
    const { name = null, site = null } = ledger.peers.get(peerId) ?? {}
    return { peerId, name, site, ...share }
  })
  const rest = bytesOf(others) > 0 ? [{ peerId: null, name: null, site: null, ...others }] : []
  const all = [...named.toSorted((a, b) => bytesOf(b) - bytesOf(a)), ...rest]
  return { downBytes, upBytes, duplicateBytes, duplicates: { ...duplicates }, peers: all }
}

/** The one content whose digest begins so. */
function digestOf(prefix: string, known: readonly Digest[]): Digest {
  if (!/^[0-9a-f]{1,64}$/.test(prefix))
    throw new Misconfigured('CONTENT_PREFIX_INVALID', {
      message: `"${prefix}" is no digest and no beginning of one.`,
      where: '--content',
      next: 'Give up to 64 hexadecimal digits, as grapevine why prints them.',
    })
  const found = [...new Set(known.filter((digest) => digest.startsWith(prefix)))]
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  if (found.length > 1)
    throw new Misconfigured('CONTENT_AMBIGUOUS', {
      message: `${found.length} contents begin with ${prefix}: ${found.slice(0, 4).join(', ')}${found.length > 4 ? ' …' : ''}.`,
      where: '--content',
      next: 'Give more digits.',
    })
  throw new Negative('CONTENT_UNKNOWN', {
    message: `Nothing named ${prefix}${isDigest(prefix) ? '' : '…'} crossed the line, and no bundle of the newest release has it.`,
    where: '--content',
    next: 'See grapevine why --json for all that did.',
  })
}
