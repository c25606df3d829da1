/** What a device says of itself is found out and told its machine: with what the configuration says of it beside. */
import { readIfThere } from '#disk/atomic.ts'
import { collectFacts } from '#engines/probe.ts'
import type { Session } from './session.ts'

export async function findFacts(session: Session): Promise<void> {
  const readText = async (path: string): Promise<string | undefined> => {
    const bytes = await readIfThere(path)
    return bytes && new TextDecoder().decode(bytes)
  }
  const facts = await collectFacts(readText)
  session.feed({ type: 'facts', facts: { ...facts, local: session.config.facts } })
}
