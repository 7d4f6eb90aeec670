import { addressOf, retryInterrupted, syscalls } from './syscalls.js'

const AF_INET = 2
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const SIOCETHTOOL = 0x8946
const ETHTOOL_GTXCSUM = 0x16
const ETHTOOL_STXCSUM = 0x17
const ifreqLength = 40

/** Whether the device leaves transmit checksums to others (its hardware, or the receiver on the same kernel). */
export const isTxChecksumOffloaded = (link: string): boolean => ethtoolValue(link, ETHTOOL_GTXCSUM) !== 0

/**
 * Turns transmit checksum offloading of a link of this thread's network namespace on or off (`ethtool -K LINK tx off`).
 * Off, the stack writes complete checksums before the device sees the packet. KERNEL_REFUSED when the device cannot.
 */
export function setTxChecksumOffload(link: string, on: boolean): void {
  ethtoolValue(link, ETHTOOL_STXCSUM, Number(on))
}

/** One SIOCETHTOOL call with a struct ethtool_value; returns the value afterwards. */
function ethtoolValue(link: string, command: number, value = 0): number {
  const data = Buffer.alloc(8)
  data.writeUInt32LE(command, 0)
  data.writeUInt32LE(value, 4)
  const ifreq = Buffer.alloc(ifreqLength)
  ifreq.write(link, 0, 15)
  ifreq.writeBigUInt64LE(addressOf(data), 16)
  const fd = retryInterrupted('open a socket', () => syscalls.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  try {
    retryInterrupted(`ethtool command ${command} on ${link}`, () => syscalls.ioctl(fd, SIOCETHTOOL, ifreq))
    return data.readUInt32LE(4)
  } finally {
    syscalls.close(fd)
  }
}
