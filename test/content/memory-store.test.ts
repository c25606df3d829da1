import { describe, expect, it } from 'vitest'
import { MemoryStore } from '#content/memory-store.ts'
import { chunkStoreContract } from '../contracts/chunk-store.ts'

chunkStoreContract('in memory', async () => {
  const store = new MemoryStore()
  return { store, restart: async () => store, remove: async () => {} }
})

describe('a store in memory', () => {
  it('takes no bytes that it would have to wait for', async () => {
    const later = (async function* () {})()
    expect(() => new MemoryStore().add(later)).toThrow('does not wait')
    await later.return()
  })
})
