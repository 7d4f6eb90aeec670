import { cniError, cniErrorCodes } from './cni-error.js'

/** The versions of the CNI specification that the plugin speaks, oldest first. */
export const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof supportedVersions)[number]

/** The version of a network configuration; without one it means 0.2.0, as the specification says. */
export function parseCniVersion(version: unknown): CniVersion {
  const named = version === undefined || version === '' ? '0.2.0' : version
  const known = supportedVersions.find(supported => supported === named)
  if (known === undefined) {
    const list = supportedVersions.join(', ')
    throw cniError(cniErrorCodes.incompatibleVersion, `CNI version ${String(named)} is not supported`, `Use one of ${list}.`)
  }
  return known
}

/** Throws unless `version` is `minimum` or newer. */
export function requireCniVersion(version: CniVersion, minimum: CniVersion, command: string): void {
  if (supportedVersions.indexOf(version) < supportedVersions.indexOf(minimum)) {
    throw cniError(cniErrorCodes.incompatibleVersion, `${command} needs CNI version ${minimum}, the configuration says ${version}`)
  }
}
