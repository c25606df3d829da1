/**
 * How much a policy may hold, and the spellings of the words in it. Apart from `schema.ts`, so that what runs on every
 * device all the time (`select.ts`, `window.ts`) does not load the schema library.
 */

/** Limits of one policy; beyond them it is refused with POLICY_TOO_LARGE or POLICY_VALUE_INVALID. */
export const policyBytesMax = 1_048_576
export const resourcesMax = 2000
export const windowsMax = 32
export const monitorsMax = 64
/** Fails or passes in a row that a monitor may ask for. */
export const monitorRunsMax = 100
export const guardMax = 64
export const sitesMax = 256
/** Labels or facts in one select. */
export const selectEntriesMax = 64

/** A window lasts from a minute to 31 days. */
export const windowMsMin = 60_000
export const windowMsMax = 31 * 86_400_000
/** Openings that do not happen, in one window. */
export const exceptMax = 1000

/** A label, a label's value and a site: printable in a URL, a file name and a certificate. */
export const wordPattern = /^[A-Za-z0-9._/-]{1,63}$/
/** A dotted fact path. */
export const factPathPattern = /^[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,7}$/
/** What a fact is compared with: printable ASCII, because it travels in signed metadata. */
export const factTextPattern = /^[\x20-\x7e]{1,128}$/
/** A parameter's name, as a template can say it. */
export const parameterPattern = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
/** Names that templates use for themselves, so no parameter may have them. */
export const reservedParameters = ['parameters', 'facts', 'bundle', 'labels']
/** What must be free of a file system: `10 %`, `2 GiB`. */
export const diskFreePattern = /^(\d{1,9}(?:\.\d{1,3})?) *(%|KiB|MiB|GiB|TiB)$/
/** A name or address, in brackets where it holds colons, and a port. */
export const hostPortPattern = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/
