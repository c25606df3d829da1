/** Enters what is said into the ledger and the budget (protocol.md §6-7), on its way out of the machine. */
import type { Budgets } from './budget.ts'
import type { ProtocolEffect } from './effect.ts'
import type { Ledger } from './ledger.ts'
import type { Neighbours, Turn } from './neighbour.ts'

interface Books {
  readonly neighbours: Neighbours
  readonly ledger: Ledger
  readonly budgets: Budgets
}

/** The same turn, its effects counted as they pass. What would be said behind a good-bye is dropped. */
export function metered({ now, out, notify }: Turn, { neighbours, ledger, budgets }: Books): Turn {
  const count = (effect: ProtocolEffect): void => {
    if (effect.type === 'send') {
      const receiver = neighbours.get(effect.link)
      if (!receiver || receiver.phase === 'closing') return
      ledger.message(receiver, 'up', effect.bytes)
      if (receiver.membership && !receiver.inside) budgets.wanUp.take(now, effect.bytes.byteLength)
    }
    if (effect.type === 'gossip')
      for (const neighbour of neighbours.list('outside')) ledger.gossip(neighbour, 'up', effect.bytes)
    out(effect)
  }
  return { now, out: count, notify }
}
