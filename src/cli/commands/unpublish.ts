/** `grapevine unpublish`: the next release without some bundles; what they did on devices stays as it is. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { UnpublishDocument } from '#node/unpublish.ts'
import type { Action } from '../main.ts'

export const action: Action = async ({ home, output }, _options, names) => {
  const answer = (await callHome({
    home: homeFolder(home),
    command: 'unpublish',
    args: { names },
  })) as UnpublishDocument
  output.answer(answer, [
    ...answer.withdrawn.map((name) => `${name}: withdrawn with release ${answer.release}`),
    'Devices stop enforcing it and undo nothing. Its versions stay here for a week: grapevine rollback NAME --list.',
  ])
  return 0
}
