/** Asks the person at the terminal before something that cannot be undone. In a script nobody answers, so there it has to be said beforehand. */
import { Misconfigured } from '#base/errors.ts'

/** The parts of a terminal that are needed. */
export interface Terminal {
  readonly isTTY?: boolean | undefined
  once(event: 'data' | 'end', heard: (data?: unknown) => void): unknown
  pause(): unknown
}

/** Whether the answer is yes. Misconfigured `UNCONFIRMED` without a terminal. */
export async function confirm(
  question: string,
  { input, say }: { readonly input: Terminal; readonly say: (text: string) => void },
): Promise<boolean> {
  if (input.isTTY !== true)
    throw new Misconfigured('UNCONFIRMED', {
      message: `This cannot be undone, and there is no terminal to ask at. ${question}`,
      next: 'Give --yes where that is meant.',
    })
  say(`${question} Type yes: `)
  const { promise, resolve } = Promise.withResolvers<string>()
  input.once('data', (data) => resolve(String(data)))
  input.once('end', () => resolve(''))
  const answer = await promise
  input.pause()
  return answer.trim().toLowerCase() === 'yes'
}
