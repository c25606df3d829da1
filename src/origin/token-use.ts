/**
 * How many devices each token brought. Without a server nobody can keep a device from joining by a token that was used up; the origin
 * can only count those that it met, and raise an alarm (trust.md §6). Says nothing of tokens that brought nobody.
 */
import type { Membership } from '#trust/membership.ts'

export interface TokenUse {
  readonly id: string
  /** How many it was made for. */
  readonly max: number
  /** Devices that joined with it, as far as the origin met them. */
  readonly used: number
}

type Token = Membership['token']

export class TokenUses {
  readonly #uses = new Map<string, TokenUse>()

  /** A device, counted for one token before, belongs to another now. The use of that one where this device is the first too many. */
  moved(before: Token, token: Token): TokenUse | undefined {
    if (before?.id === token?.id) return undefined
    if (before) this.#count(before, -1)
    const use = token && this.#count(token, 1)
    return use && use.used === use.max + 1 ? use : undefined
  }

  /** Each token that brought somebody, in the order of their ids. */
  list(): TokenUse[] {
    return [...this.#uses.values()].filter(({ used }) => used > 0).sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  #count({ id, max }: NonNullable<Token>, by: 1 | -1): TokenUse {
    const use = { id, max, used: (this.#uses.get(id)?.used ?? 0) + by }
    this.#uses.set(id, use)
    return use
  }
}
