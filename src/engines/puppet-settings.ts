/** What Puppet is told before it begins, as files of its work folder (engines/puppet.ts): its settings and what it knows of the node. */

/** A name that needs no look-up. */
export const nodeName = 'grapevine'

/** An answer of the fact terminus `yaml` for `nodeName`: nothing is known. */
export const noFacts = `--- !ruby/object:Puppet::Node::Facts
name: ${nodeName}
values: {}
`

/**
 * The text of puppet.conf. The paths of vardir and confdir come as arguments; all others are below vardir, so that no text of a path is read
 * as a setting.
 */
export function puppetSettings({ isRaw }: { isRaw: boolean }): string {
  const settings = {
    codedir: '$vardir/code',
    publicdir: '$vardir/public',
    logdir: '$vardir/log',
    rundir: '$vardir/run',
    libdir: '$vardir/lib',
    certname: nodeName,
    node_terminus: 'plain',
    ...(isRaw ? {} : { facts_terminus: 'yaml' }),
    reports: 'grapevine',
    ordering: 'manifest',
    disable_warnings: 'deprecations',
    disable_i18n: 'true',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  return `[main]\n${lines.join('\n')}\n`
}
