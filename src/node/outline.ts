/**
 * What is needed of a policy after it was prepared, kept beside what the engine takes: a look or a check then needs neither the parser nor
 * the schema, which cost an idle member more memory than all else it does.
 *
 * Bytes of `compiled/<engine>/outline.json`: the JSON of an Outline. Written when the bundle is prepared, and by nobody else.
 */
import { join } from 'node:path'
import { readIfThere } from '#disk/atomic.ts'
import type { CompiledFile, Monitor, Policy } from '#policy/model.ts'

export type Outline = Pick<Policy, 'name' | 'engine'> & {
  readonly resources: readonly { readonly id: string; readonly kind: string }[]
  readonly monitors: readonly Monitor[]
}

const fileName = 'outline.json'

export const outlineOf = ({ name, engine, resources, monitors }: Policy): Outline => ({
  name,
  engine,
  resources: resources.map(({ id, kind }) => ({ id, kind })),
  monitors,
})

/** `monitors` with their texts filled in for this device. */
export const outlineFile = (policy: Policy, monitors: readonly Monitor[]): CompiledFile => ({
  path: fileName,
  mode: 0o600,
  text: `${JSON.stringify({ ...outlineOf(policy), monitors })}\n`,
})

/** Undefined where the bundle was prepared by an older program, or not at all. */
export async function readOutline(compiled: string): Promise<Outline | undefined> {
  const bytes = await readIfThere(join(compiled, fileName))
  try {
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Outline)
  } catch {
    return undefined
  }
}
