/** What a signed bundle target says to a device before anything is fetched: for whom, when, and which manifest. */
import { Refused } from '#base/errors.ts'
import { contentRefOf, type ContentRef } from '#content/content-ref.ts'
import type { Select, Window } from '#policy/model.ts'
import { readSelect } from '#policy/select.ts'
import { readWindows } from '#policy/window.ts'

/** The signed target as the trusted set hands it out; written down here because the agent knows no trust. */
export interface SignedBundle {
  readonly name: string
  readonly version: number
  readonly manifest: { readonly digest: string; readonly length: number; readonly list?: unknown }
  readonly custom: Readonly<Record<string, unknown>>
}

export interface Assignment {
  readonly name: string
  readonly version: number
  readonly manifest: ContentRef
  readonly select: Select | undefined
  readonly windows: readonly Window[]
  /** Not fetched or prepared earlier than this before the window. */
  readonly aheadMs: number | undefined
  /** Fetched before all else, and applied outside windows where this device's configuration allows. */
  readonly urgent: boolean
}

/** The assignment, or undefined where the signed JSON is not understood (a newer origin): such a bundle is left alone. */
export function assignmentOf(bundle: SignedBundle): Assignment | undefined {
  try {
    const { custom } = bundle
    return {
      name: bundle.name,
      version: bundle.version,
      manifest: contentRefOf(bundle.manifest, 'manifest'),
      select: custom['select'] === undefined ? undefined : readSelect(custom['select']),
      windows: custom['windows'] === undefined ? [] : readWindows(custom['windows']),
      aheadMs: typeof custom['aheadMs'] === 'number' ? custom['aheadMs'] : undefined,
      urgent: custom['urgent'] === true,
    }
  } catch (error) {
    if (error instanceof Refused) return undefined
    throw error
  }
}

/** Whether any member of a site may be meant: what a relay holds for its site. */
export const mayConcernSite = (select: Select | undefined, site: string): boolean =>
  select?.sites === undefined || select.sites.includes(site)
