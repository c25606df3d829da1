import { describe } from 'vitest'
import { CfengineEngine } from '#engines/cfengine.ts'
import { join } from 'node:path'
import { engineContract } from '../contracts/engine.ts'

const installed = (await new CfengineEngine().version()) !== undefined

describe.skipIf(!installed)('CFEngine (needs cf-agent: apt-get install cfengine3)', () => {
  engineContract(
    () => new CfengineEngine(),
    (root, path) => join(root, path),
  )
})
