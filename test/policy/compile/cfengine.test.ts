import { describe } from 'vitest'
import { cfengineCompiler } from '#policy/compile/cfengine.ts'
import { goldenSuite } from './golden.ts'

describe('the CFEngine compiler', () => {
  goldenSuite(cfengineCompiler, 'files/main.cf')
})
