import { createHash } from 'node:crypto'

import { ipFamily } from '../base/net/address.js'
import type { Endpoint, ServicePort } from '../service-model/service-state.js'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Chain names have at most 28 bytes, so they carry a hash, and the rules' comments the key. The same names as kube-proxy's. */
export const chainNames = (port: ServicePort) => {
  const hash = chainHash(port.key + port.protocol)
  return {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
  }
}

export const endpointChain = (port: ServicePort, endpoint: Endpoint): string =>
  `KUBE-SEP-${chainHash(port.key + port.protocol + endpointText(endpoint))}`

/** `10.244.1.5:8080`, `[fd00::5]:8080`. */
export const endpointText = ({ address, port }: Endpoint): string =>
  ipFamily(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`

/** Whether a chain is one that we make for Services, by its exact form. Kubelet and others have KUBE- chains too. */
export const isServiceChain = (chain: string): boolean => /^KUBE-(SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}$/.test(chain)

/** The first 16 characters (80 bits) of the SHA-256 in base32 (RFC 4648). */
function chainHash(text: string): string {
  const digest = createHash('sha256').update(text).digest()
  const bits = digest.readBigUInt64BE(0) * 65536n + BigInt(digest.readUInt16BE(8))
  return Array.from({ length: 16 }, (_, i) => alphabet[Number((bits >> BigInt(75 - 5 * i)) & 31n)]).join('')
}
