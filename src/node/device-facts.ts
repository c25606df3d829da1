/** What a device says of itself is found out and told its machine: with what the configuration says of it beside. */
import { readIfThere } from '#disk/atomic.ts'
import { collectFacts } from '#engines/probe.ts'
import type { Facts } from '#facts/inventory.ts'
import type { Config } from './config.ts'
import type { Session } from './session.ts'

export async function findFacts(session: Session): Promise<void> {
  session.feed({ type: 'facts', facts: await factsHere(session.config) })
}

export async function factsHere(config: Config): Promise<Facts> {
  const readText = async (path: string): Promise<string | undefined> => {
    const bytes = await readIfThere(path)
    return bytes && new TextDecoder().decode(bytes)
  }
  return { ...(await collectFacts(readText)), local: config.facts }
}
