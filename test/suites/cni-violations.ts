/**
 * What the plugins of Debian's containernetworking-plugins do against the specification: cases of src/cni-conformance that they do not pass, and why.
 * The test fails when one of these is not broken any more, so the list stays true. `C…` are the numbers of docs/cni-conformance.md.
 */
export const debianPlugins = ['bridge', 'ptp', 'host-local', 'portmap'] as const
export type DebianPlugin = (typeof debianPlugins)[number]

/** Broken by the library that they share, and by their age. */
const protocol = {
  'version/echoes': 'VERSION answers with its own newest version, whatever it is asked with',
  'version/speaks-1.1': 'this version of them is older than 1.1',
  'environment/unknown-command': 'C8: what is missing is complained of with code 3, before the command is looked at',
}
const error = { 'error/fields': 'the error object lacks cniVersion' }
const gc = {
  'gc/nothing-to-do': 'C1: GC is not there',
  'gc/removes-unlisted': 'C1: GC is not there, nor handed on',
}
const keepsListed = { 'gc/keeps-listed': 'C1: GC is not there' }
const status = {
  'status/ready': 'C2: STATUS is not there',
  'status/exhausted': 'C2: nobody tells that addresses have run out',
}
const previous = { 'add/previous-result': 'prevResult is dropped: the plugin can only be the first of a chain' }
const leakedMasquerade = {
  'del/vanished-namespace': 'C3: the rules of ipMasq stay',
  'del/no-namespace': 'C3: the rules of ipMasq stay',
}

export const knownViolations: Readonly<Record<DebianPlugin, Readonly<Record<string, string>>>> = {
  bridge: { ...protocol, ...error, ...previous, ...leakedMasquerade, ...gc, ...keepsListed, ...status },
  ptp: {
    ...protocol,
    ...error,
    'add/two-interfaces': 'the route to the gateway of the first interface is in the way of the second',
    ...previous,
    ...leakedMasquerade,
    ...gc,
    ...keepsListed,
    ...status,
  },
  'host-local': { ...protocol, ...error, ...gc, ...status },
  portmap: {
    ...protocol,
    'environment/path-is-optional': 'C6: CNI_PATH is demanded of a plugin that calls no other',
    ...error,
    'capability/portmappings-check': 'CHECK looks for rules of IPv6 for a container that has IPv4 alone',
    ...gc,
    ...keepsListed,
    ...status,
  },
}
