/** Bytes that are made here, on their way into the store: written to a file once, named as they pass. Knows nothing of other contents. */
import { open } from 'node:fs/promises'
import { concatBytes } from '#base/bytes.ts'
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
  let gathered: Uint8Array[] = []
  let size = 0
  let position = 0
  const write = async (): Promise<void> => {
    const whole = concatBytes(...gathered)
    gathered = []
    size = 0
    await writeAll(file, whole, position).catch((error: unknown) => {
      throw systemError(error, path)
    })
    position += whole.byteLength
  }
  try {
    for await (const piece of bytes) {
      cutting.push(piece)
      // A copy: whoever makes the bytes may use their buffer again.
      gathered.push(piece.slice())
      size += piece.byteLength
      if (size >= writeBytes) await write()
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
