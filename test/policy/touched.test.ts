import { describe, expect, it } from 'vitest'
import { parsePolicy } from '#policy/parse.ts'
import { renderPolicy } from '#policy/render.ts'
import { touchedBy, touchedList } from '#policy/touched.ts'

const none = { has: () => undefined, text: () => undefined }

function rendered(text: string): ReturnType<typeof renderPolicy> {
  const { policy, problems } = parsePolicy(text, none)
  if (!policy) throw new TypeError(JSON.stringify(problems))
  return renderPolicy({ policy, bundle: '/srv/b/1', facts: { local: { zone: 'eth9' } }, text: () => '' })
}

describe('what a policy touches', () => {
  it('are the paths and services of its resources, its guard, and what its commands can take back; the rest is named', () => {
    const policy = rendered(`policy: web
parameters: { net: /etc/network }
guard: ["{{net}}", /etc/nginx]
resources:
  - file: { path: "/etc/{{facts.local.zone}}", content: x }
  - line: { path: /etc/hosts, line: a }
  - line: { path: /etc/hosts, line: b }
  - directory: { path: /srv }
  - service: { name: nginx, state: running }
  - command: { run: ip link set eth0 mtu 9000, undo: "ip link set {{facts.local.zone}} mtu 1500" }
  - command: { run: "true" }
  - package: { name: nginx }
  - process: { match: x, state: absent }
  - reboot: { when: needed }
`)
    expect(touchedBy(policy)).toEqual({
      paths: ['/etc/eth9', '/etc/hosts', '/srv'],
      trees: ['/etc/network', '/etc/nginx'],
      services: ['nginx'],
      undo: [{ id: '5:command:ip link set eth0 mtu 9000', command: 'ip link set eth9 mtu 1500' }],
      uncovered: ['6:command:true', '7:package:nginx', '8:process:x', '9:reboot:needed'],
    })
    expect(JSON.parse(touchedList(policy).text)).toEqual(touchedBy(policy))
  })

  it("are of a policy in an engine's own words its guard alone", () => {
    const files = { has: () => 10, text: () => undefined }
    const { policy } = parsePolicy('policy: old\nguard: [/etc/app]\nraw: { engine: cfengine, entry: main.cf }\n', files)
    if (!policy) throw new TypeError('no policy')
    const touched = touchedBy(renderPolicy({ policy, bundle: '/b', facts: {}, text: () => '' }))
    expect(touched).toMatchObject({ paths: [], trees: ['/etc/app'], uncovered: ['0:raw:files/main.cf'] })
  })

  it('is guarded by absolute paths only, at check and on the device', () => {
    const { problems } = parsePolicy('policy: web\nguard: [etc/nginx, "{{nowhere}}", /etc/..]\n', none)
    expect(problems.map(({ code, line, column }) => `${code} ${line}:${column}`)).toEqual([
      'POLICY_PATH_NOT_ABSOLUTE 2:9',
      'POLICY_TEMPLATE_INVALID 2:20',
      'POLICY_PATH_NOT_ABSOLUTE 2:35',
    ])
    expect(() => rendered('policy: web\nparameters: { p: etc }\nguard: ["{{p}}"]\n')).toThrow(/not an absolute path/)
  })
})
