import { describe, expect, it } from 'vitest'
import { nearest, suggest } from '#policy/suggestion.ts'

const kinds = ['package', 'patch', 'file', 'line', 'service', 'process']

describe('the word that was meant', () => {
  it('is found over a letter left out, added, changed, or in upper case', () => {
    for (const word of ['pakage', 'packagee', 'pbckage', 'PACKAGE', 'packgae'])
      expect(nearest(word, kinds)).toBe('package')
  })

  it('is the nearest of several', () => {
    expect(nearest('fine', ['file', 'find', 'fine-tune', 'fines'])).toBe('file')
    expect(nearest('services', ['server', 'service'])).toBe('service')
  })

  it('is none beyond two errors, and for a word too short or too long to tell', () => {
    expect(nearest('user', kinds)).toBeUndefined()
    expect(nearest('x', ['on'])).toBeUndefined()
    expect(nearest('a'.repeat(65), ['a'.repeat(64)])).toBeUndefined()
    expect(nearest('', ['ab'])).toBeUndefined()
  })

  it('or what is known instead, makes a sentence', () => {
    expect(suggest('flie', kinds)).toBe('Did you mean "file"?')
    expect(suggest('user', ['a', 'b'])).toBe('Known here: a, b.')
  })
})
