/** Reads what a compiled policy wants (policy/compile/resource-list.ts writes it), so that engines need not understand policies. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Unavailable } from '#base/errors.ts'
import { resourceListFile, type ResourceList } from '#policy/compile/resource-list.ts'
import type { EngineRun } from './engine.ts'

/** Unavailable `ENGINE_FAILED` where it cannot be read. */
export async function readList(run: EngineRun): Promise<ResourceList> {
  const path = join(run.directory, resourceListFile)
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ResourceList
  } catch (cause) {
    throw new Unavailable('ENGINE_FAILED', {
      message: 'The compiled policy is not there, or damaged.',
      where: path,
      next: 'Publish the policy again.',
      cause,
    })
  }
}
