/** `grapevine windows`: the next openings of the bundles meant for this member, of one of them, or of policy folders before they are published. */
import { stat } from 'node:fs/promises'
import { Negative } from '#base/errors.ts'
import { checkFolders } from '#node/check.ts'
import { realTime } from '#node/clock.ts'
import { homeFolder } from '#node/config.ts'
import { callHome } from '#node/home-call.ts'
import { windowsDocument, type WindowsDocument } from '#node/windows.ts'
import { formatProblem } from '#policy/problem.ts'
import type { Action } from '../main.ts'
import { table } from '../print.ts'

export const action: Action<{ count?: number }> = async ({ home, output }, { count }, args) => {
  const [first] = args
  const isFolder = first !== undefined && (await isDirectory(first))
  const document = isFolder
    ? await ofFolders(args, count)
    : ((await callHome({
        home: homeFolder(home),
        command: 'windows',
        args: { ...(first !== undefined && { name: first }), ...(count !== undefined && { count }) },
      })) as WindowsDocument)
  output.answer(document, linesOf(document))
  return 0
}

async function ofFolders(dirs: readonly string[], count: number | undefined): Promise<WindowsDocument> {
  const checked = await checkFolders(dirs)
  const [problem] = checked.flatMap(({ problems }) => problems)
  if (problem)
    throw new Negative('POLICY_FAULTY', {
      message: `This folder is not sound: ${formatProblem(problem)}`,
      next: 'See grapevine check for all that is wrong with it.',
    })
  const bundles = checked.flatMap(({ policy }) => policy ?? [])
  return windowsDocument(
    bundles.map(({ name, windows }) => ({ name, version: null, windows })),
    realTime(),
    count,
  )
}

function linesOf({ bundles }: WindowsDocument): string | string[] {
  if (bundles.length === 0) return 'No bundle is meant for this member.'
  const rows = bundles.flatMap(({ name, anyTime, openings }) => {
    if (openings.length === 0) return [[name, anyTime ? 'at any time' : 'never again', '', '', '', '']]
    return openings.map(({ opens, closes, seconds, zone, localOpens, note }) => [
      name,
      `${localOpens.slice(0, 16).replace('T', ' ')} ${zone}`,
      `${opens.slice(0, 16)}Z`,
      `${closes.slice(0, 16)}Z`,
      durationText(seconds),
      note ?? '',
    ])
  })
  return table(['BUNDLE', 'OPENS', 'OPENS (UTC)', 'CLOSES (UTC)', 'FOR', ''], rows)
}

function durationText(seconds: number): string {
  const minutes = Math.round(seconds / 60)
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60]
  return [days > 0 ? `${days} d` : '', hours > 0 ? `${hours} h` : '', rest > 0 ? `${rest} min` : '']
    .filter(Boolean)
    .join(' ')
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}
