/**
 * Shell programs for what the engines do not do alone, or each in another way: packages, patches, services, processes, commands,
 * reboots, lines. (CFEngine's own package promises need modules that Debian does not install, its services the standard library;
 * ansible-core has no zypper.) The engines run them as commands, so that a policy does the same under each.
 *
 * `files/N.sh apply|observe`. Exit code: 97 kept, 0 repaired (with `observe`: differs), 1 failed. The last line tells more: `failed: …`,
 * `skipped: …`, `seen: …`. With `observe` a program changes nothing; it runs the guards of a command, never the command. An engine that
 * looks before it acts calls `decide` (as `observe`, but it may refresh the lists of packages, and what has no guard differs), then `act`.
 * Each looks again after it acted: what counts is how the system is, not what a tool returned.
 */
import { unreachable } from '#base/assert.ts'
import { directoryShell, placeShell } from './folder-script.ts'
import { lineShell } from './line-script.ts'
import { fetchShell, packageShell, patchShell } from './package-script.ts'
import { shellWord } from './quote.ts'
import type { CommandResource, CompiledFile, ProcessResource, RebootResource, ServiceResource } from '../model.ts'
import type { DirectoryResource, LineResource, PackageResource, PatchResource, RenderedPolicy } from '../model.ts'

export type ScriptResource =
  | PackageResource
  | PatchResource
  | ServiceResource
  | ProcessResource
  | CommandResource
  | RebootResource
  | LineResource
  | DirectoryResource

export function scriptOf(resource: ScriptResource, { bundle, policy }: RenderedPolicy): string {
  return `${prelude}\n${bodyOf(resource, bundle, policy.name)}`
}

/** `act` alone: makes the place of a file that another program writes. */
export const placeScript = (path: string): string => `${prelude}\n${placeShell(path)}`

/** Programs that download, while the bundle is prepared, what its packages need: `fetch/N.sh apply`, in the order of the policy. */
export function fetchScripts({ resources, bundle }: RenderedPolicy): CompiledFile[] {
  return resources.flatMap((resource) => {
    if (resource.kind !== 'package' || resource.state === 'absent') return []
    const text = `${prelude}\n${fetchShell(resource, bundle)}`
    return [{ path: `fetch/${Number.parseInt(resource.id, 10)}.sh`, mode: 0o700, text }]
  })
}

function bodyOf(resource: ScriptResource, bundle: string, policy: string): string {
  switch (resource.kind) {
    case 'package':
      return packageShell(resource, bundle)
    case 'patch':
      return patchShell(resource)
    case 'service':
      return serviceShell(resource)
    case 'process':
      return processShell(resource)
    case 'command':
      return commandShell(resource)
    case 'line':
      return lineShell(resource)
    case 'directory':
      return directoryShell(resource)
    case 'reboot':
      return resource.when === 'once' ? rebootOnceShell(policy) : rebootNeededShell
    default:
      return unreachable(resource)
  }
}

/** Guards are asked once: before an act that was decided on they are not asked again. */
function commandShell({ run, unless, onlyIf }: CommandResource): string {
  const guards = [
    ...(onlyIf === undefined ? [] : [`quiet sh -c ${shellWord(onlyIf)} || skipped 'onlyIf does not hold'`]),
    ...(unless === undefined ? [] : [`quiet sh -c ${shellWord(unless)} && kept`]),
  ]
  const why = unless !== undefined ? 'unless does not hold' : onlyIf !== undefined ? 'onlyIf holds' : 'it has no guard'
  return [
    ...(guards.length > 0
      ? ['if [ "$mode" != act ]; then', ...guards, 'fi']
      : [`[ "$mode" = observe ] && skipped 'without unless or onlyIf it cannot be observed'`]),
    `drift ${shellWord(why)}`,
    `logged sh -c ${shellWord(run)} && repaired`,
    `failed "exit code $code"`,
    '',
  ].join('\n')
}

function serviceShell({ name, state, enabled }: ServiceResource): string {
  return `name=${shellWord(name)} want_state=${state ?? 'any'} want_enabled=${enabled ?? 'any'}
${serviceFunctions}
fits && kept
drift "$(running && echo running || echo stopped), $(enabled && echo enabled || echo disabled)"
change
fits && repaired
failed "it is $(running && echo running || echo stopped), $(enabled && echo enabled || echo disabled)"
`
}

/** A pattern that would match us matches the agent too: the program and those above it are never counted. */
function processShell({ match, state, start }: ProcessResource): string {
  const find = `pattern=${shellWord(match)}\n${processFunctions}\nlook`
  if (state === 'absent')
    return `${find}
[ -n "$pids" ] || kept
drift "running as $(echo $pids)"
quiet kill -TERM $pids
waited=0
while look && [ -n "$pids" ] && [ $waited -lt 25 ]; do sleep 0.2; waited=$((waited + 1)); done
[ -z "$pids" ] || { quiet kill -KILL $pids; sleep 0.2; look; }
[ -z "$pids" ] && repaired
failed "still running as $(echo $pids)"
`
  return `${find}
[ -n "$pids" ] && kept
drift 'not running'
${
  start === undefined
    ? `failed 'not running, and the policy does not say how to start it'`
    : `setsid sh -c ${shellWord(start)} >/dev/null 2>&1 </dev/null &
# Seen twice: the shell that starts it has its words too.
seen=0 waited=0
while [ $seen -lt 2 ] && [ $waited -lt 25 ]; do
  sleep 0.2
  waited=$((waited + 1))
  look
  if [ -n "$pids" ]; then seen=$((seen + 1)); else seen=0; fi
done
[ $seen -ge 2 ] && repaired
failed 'started, but it does not run'`
}
`
}

/** Once for each name of a policy: publishing another version of it must not restart the fleet again. */
function rebootOnceShell(policy: string): string {
  return `${rebootFunctions}
marker="\${GRAPEVINE_STATE:?}/rebooted-"${shellWord(policy)}
[ -e "$marker" ] && kept
drift 'not rebooted yet'
: >"$marker" || failed 'the note of the reboot cannot be written'
reboot_soon && repaired
rm -f "$marker"
failed 'shutdown refused'
`
}

const prelude = `#!/bin/sh
# The agent runs with 077, which is not what installers and commands expect.
umask 022
mode=\${1:-observe}
kept() { exit 97; }
repaired() { exit 0; }
failed() { printf 'failed: %s\\n' "$*"; exit 1; }
skipped() { printf 'skipped: %s\\n' "$*"; exit 97; }
drift() { case $mode in apply | act) return 0 ;; esac; printf 'seen: %s\\n' "$*"; exit 0; }
quiet() { "$@" >/dev/null 2>&1 </dev/null; }
# Through a file: a daemon that the command leaves behind must not hold the agent's pipe open, and the end is what tells.
logged() {
  log=$(mktemp "\${GRAPEVINE_SCRATCH:-/tmp}/output.XXXXXX") || failed 'no room for its output'
  "$@" >"$log" 2>&1 </dev/null
  code=$?
  tail -c 2000 "$log"
  echo
  rm -f "$log"
  return $code
}`

const serviceFunctions = `if [ -d /run/systemd/system ]; then
  running() { quiet systemctl is-active -- "$name"; }
  enabled() { quiet systemctl is-enabled -- "$name"; }
  to_state() { logged systemctl "$1" -- "$name"; }
  to_enabled() { logged systemctl "$1" -- "$name"; }
else
  running() { quiet service "$name" status; }
  enabled() { for link in /etc/rc[2345].d/S??"$name"; do [ -e "$link" ] && return 0; done; return 1; }
  to_state() { logged service "$name" "$1"; }
  to_enabled() {
    if quiet command -v update-rc.d; then logged update-rc.d "$name" defaults; logged update-rc.d "$name" "$1"
    else logged chkconfig "$name" "$([ "$1" = enable ] && echo on || echo off)"; fi
  }
fi
fits() {
  case $want_state in running) running || return 1 ;; stopped) running && return 1 ;; esac
  case $want_enabled in true) enabled || return 1 ;; false) enabled && return 1 ;; esac
  return 0
}
change() {
  case $want_enabled in
    true) enabled || to_enabled enable ;;
    false) enabled && to_enabled disable ;;
  esac
  case $want_state in
    running) running || to_state start ;;
    stopped) running && to_state stop ;;
  esac
}`

/** Into pids. The table is taken without a subshell around ps; a shell of ours is known by our own words, which name the bundle. */
const processFunctions = `table=$(mktemp "\${GRAPEVINE_SCRATCH:-/tmp}/processes.XXXXXX") || failed 'no room for the list of processes'
trap 'rm -f "$table"' EXIT
look() {
  ps -eo pid=,ppid=,args= >"$table"
  rows=$(sed 's/^ *[0-9]* *[0-9]* *//' "$table" | grep -nP -e "$pattern")
  [ $? -le 1 ] || failed 'grep -P does not understand the pattern'
  pids=$(printf '%s\\n' "$rows" | cut -d: -f1 | awk -v self=$$ -v ps="ps -eo pid=,ppid=,args=" '
    NR == FNR { matching[$1]; next }
    { row = ++rows; pid[row] = $1; above[$1] = $2; sub(/^ *[0-9]+ +[0-9]+ +/, ""); words[row] = $0; if (pid[row] == self) own = $0 }
    END {
      for (at = self; at > 1; at = above[at]) ours[at]
      for (row = 1; row <= rows; row++)
        if (row in matching && pid[row] > 1 && !(pid[row] in ours) && words[row] != own && words[row] != ps) print pid[row]
    }' - "$table")
}`

const rebootFunctions = `reboot_soon() {
  if [ -d /run/systemd/system ]; then logged shutdown -r +1 'Grapevine: the policy wants a reboot'
  else quiet command -v shutdown || return 1; setsid shutdown -r +1 'Grapevine: the policy wants a reboot' >/dev/null 2>&1 </dev/null & fi
}`

const rebootNeededShell = `${rebootFunctions}
needed() {
  [ -e /var/run/reboot-required ] && return 0
  if quiet command -v needs-restarting; then quiet needs-restarting -r; [ $? = 1 ] && return 0; fi
  if quiet command -v zypper; then quiet zypper needs-rebooting; [ $? = 102 ] && return 0; fi
  return 1
}
needed || kept
[ -e /run/systemd/shutdown/scheduled ] && kept
drift 'a reboot is outstanding'
reboot_soon && repaired
failed 'shutdown refused'
`
