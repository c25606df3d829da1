/** Tells whether a program of the system is here, for tests that skip by name where it is not. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether `name` can be run by its name alone. */
export function isInstalled(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
