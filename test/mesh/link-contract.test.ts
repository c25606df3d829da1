import { describeLinks } from '../contracts/link.ts'
import { startParty, until } from './parties.ts'

describeLinks('libp2p', {
  make: (count) => Promise.all(Array.from({ length: count }, () => startParty())),
  until,
})
