import { type ConformanceCase, type Findings, isRefused, succeeds, unless } from './conformance-case.js'
import type { Rig } from './rig.js'
import type { CallOptions } from './runner.js'
import { ownConf } from './subject.js'

/** Every call is made with these; what a case takes away or changes is what it is about. */
const attachment = { containerId: 'conformance', netns: '/proc/self/ns/none', ifname: 'eth0' }

const missing = (command: string, variable: string): ConformanceCase => ({
  id: `environment/${command.toLowerCase()}-without-${variable.toLowerCase()}`,
  section: '2, Parameters',
  rule: `${command} without ${variable} is refused with code 4`,
  run: async ({ runner }) =>
    isRefused(`${command} without ${variable}`, await runner.call(command, attachment, { env: { [variable]: undefined } }), 4),
})

const refusedConf = (id: string, rule: string, options: CallOptions, code: number): ConformanceCase => ({
  id: `configuration/${id}`,
  section: '5, Error codes',
  rule: `${rule} is refused with code ${code}`,
  run: async ({ runner }) => isRefused(`ADD with ${rule}`, await runner.call('ADD', attachment, options), code),
})

async function badNames(rig: Rig, variable: string, names: readonly string[]): Promise<Findings> {
  const findings: string[] = []
  for (const name of names) {
    const answer = await rig.runner.call('ADD', attachment, { env: { [variable]: name } })
    findings.push(...isRefused(`${variable} ${JSON.stringify(name)}`, answer, 4))
  }
  return findings
}

/** What holds for every call, whatever the plugin does. */
export const protocolCases: readonly ConformanceCase[] = [
  {
    id: 'version/answers',
    section: '2, VERSION',
    rule: 'VERSION lists the supported versions, that of the configuration among them',
    async run({ runner, subject }) {
      const { cniVersion } = subject.list
      const answer = await runner.call('VERSION', {}, { stdin: JSON.stringify({ cniVersion }) })
      const { supportedVersions } = (answer.json ?? {}) as { supportedVersions?: unknown }
      const isListed = Array.isArray(supportedVersions) && supportedVersions.includes(cniVersion)
      return [
        ...succeeds('VERSION', answer),
        ...unless(isListed, `supportedVersions ${JSON.stringify(supportedVersions)} lacks ${cniVersion}`),
      ]
    },
  },
  {
    id: 'version/echoes',
    section: '2, VERSION',
    rule: 'VERSION answers with the cniVersion that it was asked with',
    async run({ runner }) {
      const answer = await runner.call('VERSION', {}, { stdin: JSON.stringify({ cniVersion: '0.4.0' }) })
      const { cniVersion } = (answer.json ?? {}) as { cniVersion?: unknown }
      return unless(cniVersion === '0.4.0', `asked with 0.4.0 it answers ${JSON.stringify(cniVersion)}`)
    },
  },
  {
    id: 'version/alone',
    section: '2, VERSION',
    rule: 'VERSION needs no variable but CNI_COMMAND',
    run: async ({ runner }) =>
      succeeds('VERSION', await runner.call('VERSION', {}, { env: { CNI_PATH: undefined }, stdin: '{"cniVersion":"1.0.0"}' })),
  },
  {
    id: 'version/speaks-1.1',
    section: 'Version',
    rule: 'the plugin speaks 1.1.0',
    run: async ({ versions }) => unless(versions.includes('1.1.0'), `it speaks ${versions.join(', ')}`),
  },
  {
    id: 'environment/unknown-command',
    section: '2, Parameters',
    rule: 'a command that does not exist is refused with code 4',
    claim: 'C8',
    run: async ({ runner }) => isRefused('CNI_COMMAND=FOO', await runner.call('FOO', {}), 4),
  },
  ...['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'].map(variable => missing('ADD', variable)),
  ...['CNI_CONTAINERID', 'CNI_IFNAME'].map(variable => missing('DEL', variable)),
  ...['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'].map(variable => missing('CHECK', variable)),
  {
    id: 'environment/container-id',
    section: '2, Parameters',
    rule: 'a container id is a letter or digit, then also "_", "." and "-"; others are refused with code 4',
    run: rig => badNames(rig, 'CNI_CONTAINERID', ['-a', '.a', 'a/b', 'a b', '../a']),
  },
  {
    id: 'environment/interface-name',
    section: '2, Parameters',
    rule: 'an interface name that the kernel cannot have is refused with code 4',
    run: rig => badNames(rig, 'CNI_IFNAME', ['.', '..', 'a/b', 'a:b', 'a b', 'sixteen-letters-']),
  },
  {
    id: 'environment/path-is-optional',
    section: '2, Parameters',
    rule: 'a plugin that delegates nothing does without CNI_PATH',
    claim: 'C6',
    async run({ runner, subject }) {
      if (ownConf(subject).ipam?.type !== undefined)
        return { skip: 'the plugin leaves addresses to another one, which it finds by CNI_PATH' }
      return succeeds(
        'DEL without CNI_PATH',
        await runner.call('DEL', { ...attachment, netns: undefined }, { env: { CNI_PATH: undefined } }),
      )
    },
  },
  {
    id: 'environment/unknown-arguments',
    section: 'Conventions, CNI_ARGS',
    rule: 'IgnoreUnknown=1 makes CNI_ARGS of others harmless',
    run: async ({ runner }) =>
      succeeds(
        'DEL with CNI_ARGS',
        await runner.call('DEL', { ...attachment, netns: undefined }, { env: { CNI_ARGS: 'IgnoreUnknown=1;FOO=bar' } }),
      ),
  },
  refusedConf('no-json', 'a configuration that is not JSON', { stdin: 'cniVersion: 1.0.0' }, 6),
  refusedConf('no-name', 'a configuration without a name', { conf: { name: undefined } }, 7),
  refusedConf('bad-name', 'a network name that begins with "."', { conf: { name: '.net' } }, 7),
  refusedConf('unknown-version', 'a version that nobody speaks', { conf: { cniVersion: '9.9.9' } }, 1),
  {
    id: 'error/fields',
    section: '5, Error',
    rule: 'an error object has cniVersion, code and msg',
    async run({ runner, subject }) {
      const { json } = await runner.call('ADD', attachment, { conf: { name: '.net' } })
      const { cniVersion } = (json ?? {}) as { cniVersion?: unknown }
      return unless(
        typeof cniVersion === 'string',
        `the error object says no cniVersion, though the configuration says ${subject.list.cniVersion}`,
      )
    },
  },
  {
    id: 'version/check-since-0.4.0',
    section: '2, CHECK',
    rule: 'CHECK is refused in versions that had none, with code 1',
    async run(rig) {
      if (!rig.versions.includes('0.3.1')) return { skip: 'the plugin does not speak 0.3.1' }
      return isRefused('CHECK in 0.3.1', await rig.speaking('0.3.1').call('CHECK', attachment), 1)
    },
  },
  ...['GC', 'STATUS'].map(
    (command): ConformanceCase => ({
      id: `version/${command.toLowerCase()}-since-1.1.0`,
      section: `2, ${command}`,
      rule: `${command} is refused in versions that had none, with code 1`,
      async run(rig) {
        if (!rig.versions.includes('1.1.0')) return { skip: 'the plugin does not speak 1.1.0' }
        return isRefused(
          `${command} in 1.0.0`,
          await rig.speaking('1.0.0').call(command, {}, { conf: { 'cni.dev/valid-attachments': [] } }),
          1,
        )
      },
    }),
  ),
]
