/**
 * `check --for`: which policies a device would get, and why not the others. The device is a file `{name, role, site, labels, facts}`, as
 * `grapevine facts --json` prints it, or at the origin the last report of one of the fleet.
 */
import { textOf } from '#base/bytes.ts'
import { Misconfigured, Negative } from '#base/errors.ts'
import { GuardFailed, fieldsAt, oneOfAt, own, textAt } from '#base/guard.ts'
import { readIfThere } from '#disk/atomic.ts'
import { readFacts } from '#facts/inventory.ts'
import { mismatchesOf, type Mismatch } from '#policy/mismatch.ts'
import type { Device } from '#policy/select.ts'
import type { CheckedFolder } from './check.ts'
import { homeFolder } from './config.ts'
import { callHome } from './home-call.ts'

export interface MeantPolicy {
  readonly name: string
  readonly meant: boolean
  readonly mismatches: readonly Mismatch[]
}

export interface DryRun {
  readonly device: Omit<Device, 'facts'> & { readonly name: string }
  readonly policies: readonly MeantPolicy[]
}

type Named = Device & { readonly name: string }

/** Misconfigured `DEVICE_FILE_INVALID`, Negative `DEVICE_UNKNOWN`. Only sound folders can be told of. */
export async function meantFor(
  whom: string,
  home: string | undefined,
  checked: readonly CheckedFolder[],
): Promise<DryRun> {
  const bytes = await readIfThere(whom)
  const device = bytes ? deviceIn(bytes, whom) : await deviceOfFleet(whom, home)
  const { facts: _, ...rest } = device
  const policies = checked.flatMap(({ policy }): MeantPolicy[] => {
    if (!policy) return []
    const mismatches = mismatchesOf(policy.select, device)
    return [{ name: policy.name, meant: mismatches.length === 0, mismatches }]
  })
  return { device: rest, policies }
}

/** The last report of a device. Without a fleet here, what was asked for is a file that is not there. */
async function deviceOfFleet(name: string, home: string | undefined): Promise<Named> {
  const found = (await callHome({ home: homeFolder(home), command: 'device-facts', args: { name } })) as Named | null
  if (found) return found
  throw new Negative('DEVICE_UNKNOWN', {
    message: `There is no file "${name}", and no device of that name has reported its facts.`,
    next: 'See grapevine fleet, or write the facts of one machine to a file: grapevine facts --json.',
  })
}

function deviceIn(bytes: Uint8Array, where: string): Named {
  try {
    const fields = fieldsAt(JSON.parse(textOf(bytes) ?? ''), 'device')
    const name = own(fields, 'name')
    const labels = fieldsAt(own(fields, 'labels') ?? {}, 'labels')
    return {
      name: name === undefined ? where : textAt(name, 'name', 64),
      role: oneOfAt(own(fields, 'role') ?? 'client', 'role', ['origin', 'relay', 'client'] as const),
      site: textAt(own(fields, 'site') ?? '', 'site', 64),
      labels: Object.fromEntries(
        Object.entries(labels).map(([key, value]) => [key, textAt(value, `labels.${key}`, 64)]),
      ),
      facts: readFacts(own(fields, 'facts') ?? {}),
    }
  } catch (error) {
    const message = error instanceof GuardFailed || error instanceof Error ? error.message : String(error)
    throw new Misconfigured('DEVICE_FILE_INVALID', {
      message: `This is no description of a device: ${message}.`,
      where,
      next: 'Write it as { "role", "site", "labels", "facts" }, as grapevine facts --json prints it.',
    })
  }
}
