/**
 * The compiler of the *pretend* engine, which the demo and the tests use on machines without a tool: the rendered resources as
 * plain JSON. It promises nothing about a real system.
 *
 * Bytes: `pretend.json` is the list of rendered resources (policy/model.ts `RenderedResource`).
 */
import { resourceList } from './resource-list.ts'
import type { Compiler } from './compiler.ts'

export const pretendFile = 'pretend.json'

export const pretendCompiler: Compiler = {
  engine: 'pretend',
  compile: (rendered) => [
    { path: pretendFile, mode: 0o600, text: `${JSON.stringify(rendered.resources, undefined, 1)}\n` },
    resourceList(rendered),
  ],
  unsupported: () => [],
}
