/** `grapevine token create`: prints a join token, one line and nothing else on stdout. */
import { Misconfigured } from '#base/errors.ts'
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { TokenDocument } from '#node/token-desk.ts'
import type { Action } from '../main.ts'

interface Options extends Record<string, unknown> {
  readonly site: string
  readonly role: 'client' | 'relay'
  readonly label?: readonly string[]
  readonly ttl: number
  readonly max: number
  readonly address?: readonly string[]
}

export const action: Action<Options> = async ({ home, output }, { site, role, label = [], ttl, max, address = [] }) => {
  const made = (await callHome({
    home: homeFolder(home),
    command: 'token-create',
    args: { site, role, labels: labelsOf(label), ttlMs: ttl, max, addresses: address },
  })) as TokenDocument
  if (output.json) output.document(made)
  else output.value(made.token)
  if (made.addresses.length === 0)
    output.note('This token names no address: its members find the fleet by LAN discovery or --bootstrap only.')
  return 0
}

function labelsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? []
      if (name === undefined || value === undefined)
        throw new Misconfigured('USAGE', {
          message: `"${text}" is no label.`,
          where: '--label',
          next: 'Write --label role=web.',
        })
      return [name, value]
    }),
  )
}
