/** One drift finding: what the policy wants, what was seen instead, since when. */
export interface Finding {
  readonly bundle: string
  /** The id of the resource, as in a ResourceResult. */
  readonly resource: string
  readonly path?: string
  readonly wanted: string
  readonly seen: string
  /** Milliseconds since 1970 when it was first seen like this. */
  readonly since: number
}
