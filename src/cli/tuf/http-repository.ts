/**
 * Files of a TUF repository over HTTP, each asked for once and bounded: in bytes by what the caller allows, in time by `quietMs` without
 * a byte and `wholeMs` for the whole file, so that a server that drips does not hold us (TUF 1.0.34 §1.5.2, slow retrieval).
 */
import { GrapevineError, messageOf, Misconfigured, Refused, Unavailable } from '#base/errors.ts'
import { concatBytes } from '#base/bytes.ts'

const quietMs = 30_000
const wholeMs = 3_600_000

/** Joins a base such as `https://example.org/metadata` and a path below it. Misconfigured TUF_URL_INVALID for a base that is no HTTP address. */
export function urlBelow(base: string, path: string): URL {
  const url = URL.parse(path, base.endsWith('/') ? base : `${base}/`)
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  throw new Misconfigured('TUF_URL_INVALID', {
    message: `"${base}" is no address of a repository.`,
    where: base,
    next: 'Write it as https://example.org/metadata.',
  })
}

/** The bytes of a file; undefined where the repository has none (404, 403). Refused METADATA_TOO_LARGE, Unavailable TUF_UNREACHABLE. */
export async function fetchWhole(url: URL, bytesMax: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  let length = 0
  const isThere = await fetchInto(url, (bytes) => {
    length += bytes.byteLength
    if (length > bytesMax)
      throw new Refused('METADATA_TOO_LARGE', { message: `The file has more than ${bytesMax} bytes.`, where: url.href })
    parts.push(bytes)
  })
  return isThere ? concatBytes(...parts) : undefined
}

/** Hands on the bytes of a file as they come; false where the repository has none. What `take` throws ends it. */
export async function fetchInto(url: URL, take: (bytes: Uint8Array) => void | Promise<void>): Promise<boolean> {
  const stop = new AbortController()
  const whole = setTimeout(() => stop.abort(), wholeMs)
  let quiet = setTimeout(() => stop.abort(), quietMs)
  try {
    const response = await fetch(url, { signal: stop.signal, headers: { 'accept-encoding': 'identity' } })
    if (response.status === 404 || response.status === 403) {
      await response.body?.cancel()
      return false
    }
    if (!response.ok || !response.body) throw unreachable(url, `it answered ${response.status}`)
    for await (const bytes of response.body) {
      clearTimeout(quiet)
      quiet = setTimeout(() => stop.abort(), quietMs)
      await take(bytes)
    }
    return true
  } catch (error) {
    if (error instanceof GrapevineError) throw error
    throw unreachable(url, stop.signal.aborted ? 'it sends too slowly' : causeOf(error), error)
  } finally {
    clearTimeout(whole)
    clearTimeout(quiet)
    stop.abort()
  }
}

/** fetch says "fetch failed", and keeps what failed to itself. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? messageOf(error) : messageOf(cause)
}

const unreachable = (url: URL, reason: string, cause?: unknown): Unavailable =>
  new Unavailable('TUF_UNREACHABLE', {
    message: `The repository could not be read: ${reason}.`,
    where: url.href,
    next: 'See whether the address is right and the server runs; nothing that was verified before is lost.',
    cause,
  })
