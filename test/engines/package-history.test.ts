import { describe, expect, it } from 'vitest'
import { packageBy } from '#engines/attribution.ts'
import { lastChanges } from '#engines/package-history.ts'

/** As libzypp 17 writes it. */
const zypper = `# 2026-03-01 08:00:00 man-2.7.6-3.3.x86_64.rpm installed ok
# Additional rpm output:
# Updating /etc/sysconfig/cron ...
#
2026-03-01 08:00:01|command|root@till-7|'zypper' '-n' 'patch'|
2026-03-01 08:00:05|install|openssl-3|3.1.4-1.1|x86_64||repo-update|b4d6389437e306d6104559c82d09fce1|
2026-04-11 12:38:20|command|alice@till-7|'/usr/bin/zypper' 'install' 'telnet' 'a b'|
2026-04-11 12:38:20|install|telnet-libs|1.2-5.2|noarch||repo-oss|a28b7b36a4e2944679e550c57b000bf0|
2026-04-11 12:38:21|install|telnet|1.2-5.2|x86_64|alice@till-7|repo-oss|a28b7b36a4e2944679e550c57b000bf0|
2026-04-11 12:40:00|radd   |packman|http://packman.example.org|
2026-04-11 12:42:52|command|root@till-7|'zypper' 'remove' 'nginx'|
2026-04-11 12:42:52|remove |nginx|1.22-1|x86_64|root@till-7|
`

/** As zypper 1.14.42 wrote it on Debian 12, which has no hand in the words of rpm. */
const rogue = `2026-11-24 16:04:37|radd   |local|dir:/srv/rpms|
2026-11-24 16:04:37|command|root@vm|'zypper' '--non-interactive' '--no-gpg-checks' 'install' '--allow-unsigned-rpm' 'telnet'|
# 2026-11-24 16:04:37 telnet-1.2-1.noarch.rpm installed ok
# Additional rpm output:
# rpm: RPM should not be used directly install RPM packages, use Alien instead!
# rpm: However assuming you know what you are doing...
#${' '}
2026-11-24 16:04:37|install|telnet|1.2-1|noarch|root@vm|local||
2026-11-24 16:04:37|command|root@vm|'zypper' '--non-interactive' 'remove' 'telnet'|
# 2026-11-24 16:04:38 telnet-1.2-1.noarch removed ok
2026-11-24 16:04:38|remove |telnet|1.2-1|noarch|root@vm|
`

/** As apt 2.6 wrote it on Debian 12, the list shortened. */
const apt = `
Start-Date: 2026-11-24  14:02:45
Commandline: apt-get install -y -q --no-install-recommends aria2 rsync
Install: libaria2-0:amd64 (1.36.0-1, automatic), libpopt0:amd64 (1.19+dfsg-1, automatic), rsync:amd64 (3.5.0+ds1-0+deb12u1), aria2:amd64 (1.36.0-1)
End-Date: 2026-11-24  14:02:57

Start-Date: 2026-11-24  15:09:07
Commandline: apt remove rsync
Requested-By: alice (1000)
Remove: rsync:amd64 (3.5.0+ds1-0+deb12u1)
Upgrade: linux-libc-dev:amd64 (6.1.140-1, 6.1.187-1)
End-Date: 2026-11-24  15:09:18
`
const dpkg = `2026-11-24 14:02:50 install rsync:amd64 <none> 3.5.0+ds1-0+deb12u1
2026-11-24 14:02:50 status half-installed rsync:amd64 3.5.0+ds1-0+deb12u1
2026-11-24 15:09:13 remove rsync:amd64 3.5.0+ds1-0+deb12u1 <none>
2026-11-24 16:00:00 remove aria2:amd64 1.36.0-1 <none>
2026-11-24 16:00:01 trigproc man-db:amd64 2.11.2-2 <none>
2026-11-24 16:00:02 purge aria2:amd64 1.36.0-1 <none>
`

describe('the last change of a package', () => {
  it('is told by zypper with who and what he typed, also for what the solver took along', () => {
    const changes = lastChanges({ zypper })
    expect(changes.get('telnet')).toEqual({
      action: 'install',
      at: '2026-04-11 12:38:21',
      until: '2026-04-11 12:38:21',
      command: "zypper install telnet 'a b'",
      who: 'alice@till-7',
    })
    expect(changes.get('telnet-libs')).toMatchObject({ who: 'alice@till-7' })
    expect(changes.get('nginx')).toMatchObject({ action: 'remove', command: 'zypper remove nginx' })
    expect([...changes.keys()].sort()).toEqual(['nginx', 'openssl-3', 'telnet', 'telnet-libs'])
  })

  it('is the last of several', () => {
    expect(lastChanges({ zypper: rogue }).get('telnet')).toEqual({
      action: 'remove',
      at: '2026-11-24 16:04:38',
      until: '2026-11-24 16:04:38',
      command: 'zypper --non-interactive remove telnet',
      who: 'root@vm',
    })
    const installed = rogue.split('\n').slice(0, 8).join('\n')
    expect(lastChanges({ zypper: installed }).get('telnet')).toMatchObject({
      action: 'install',
      command: 'zypper --non-interactive --no-gpg-checks install --allow-unsigned-rpm telnet',
    })
  })

  it('is told by apt, whatever dpkg says of the same run', () => {
    const changes = lastChanges({ apt, dpkg })
    expect(changes.get('rsync')).toEqual({
      action: 'remove',
      at: '2026-11-24 15:09:07',
      until: '2026-11-24 15:09:18',
      command: 'apt remove rsync',
      who: 'alice (1000)',
    })
    expect(changes.get('libpopt0')).toMatchObject({ action: 'install' })
    expect(changes.get('linux-libc-dev')).toMatchObject({ action: 'install' })
  })

  it('past apt is told by dpkg, which knows the time alone', () => {
    expect(lastChanges({ apt, dpkg }).get('aria2')).toEqual({
      action: 'remove',
      at: '2026-11-24 16:00:02',
      until: '2026-11-24 16:00:02',
    })
  })

  it('is nobody in a history that is none', () => {
    const hostile = ['', '|||||', '\0', `x${'|'.repeat(200_000)}`, 'Start-Date: soon\nInstall: a:b (', 'install a:b']
    for (const text of hostile) expect(lastChanges({ zypper: text, apt: text, dpkg: text }).size).toBe(0)
  })
})

describe('who did it', () => {
  const local = new Date('2026-04-11T12:38:21').toISOString().slice(0, 16)

  it('is the command, the user and the time', () => {
    const change = lastChanges({ zypper }).get('telnet')
    expect(packageBy({ wanted: 'absent' }, 'telnet', change)).toBe(
      `zypper install telnet 'a b', alice@till-7, ${local}Z`,
    )
  })

  it('is not who did the opposite of what was seen: that was we, before', () => {
    const changes = lastChanges({ zypper })
    expect(packageBy({ wanted: 'present' }, 'telnet', changes.get('telnet'))).toBeUndefined()
    expect(packageBy({ wanted: 'present' }, 'nginx', changes.get('nginx'))).toMatch(
      /^zypper remove nginx, root@till-7, /,
    )
    expect(packageBy({ wanted: 'present >=2' }, 'nginx', changes.get('nginx'))).toMatch(/^zypper remove/)
    expect(packageBy({ wanted: 'absent' }, 'nginx', changes.get('nginx'))).toBeUndefined()
    expect(packageBy({ wanted: 'absent' }, 'unknown', undefined)).toBeUndefined()
  })

  it('of a change that only dpkg knows is the act and its time', () => {
    const change = lastChanges({ dpkg }).get('aria2')
    expect(packageBy({ wanted: 'present' }, 'aria2', change)).toMatch(/^remove aria2, 2026-11-24T/)
  })
})
