/** Bytes that are made here, on their way into the store: written to a file once, named as they pass. Knows nothing of other contents. */
import { open } from 'node:fs/promises'
import { Cutting, type Cut } from '#content/cutting.ts'
import { writeAll } from './stored-content.ts'
import { systemError } from './system-error.ts'

/** Gathered before they are written: streams may come in small pieces. */
const writeBytes = 262_144

/** Writes the stream to a new file, durably, and returns what it is called. Errors of the stream pass as they are; the file stays for the caller to remove. */
export async function receive(path: string, bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Cut> {
  const cutting = new Cutting()
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw systemError(error, path)
  })
  // One buffer for all of it: whoever makes the bytes may use theirs again, and a copy of each piece would be garbage faster than it is collected.
  const buffer = new Uint8Array(writeBytes)
  let filled = 0
  let position = 0
  const write = async (): Promise<void> => {
    await writeAll(file, buffer.subarray(0, filled), position).catch((error: unknown) => {
      throw systemError(error, path)
    })
    position += filled
    filled = 0
  }
  try {
    for await (const piece of bytes) {
      cutting.push(piece)
      for (let taken = 0; taken < piece.byteLength;) {
        const part = piece.subarray(taken, taken + writeBytes - filled)
        buffer.set(part, filled)
        filled += part.byteLength
        taken += part.byteLength
        if (filled === writeBytes) await write()
      }
    }
    await write()
    await file.chmod(0o444)
    await file.datasync()
    return cutting.end()
  } catch (error) {
    throw systemError(error, path)
  } finally {
    await file.close()
  }
}
