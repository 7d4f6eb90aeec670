/**
 * The address that a name below `in-addr.arpa` (RFC 1035, section 3.5) or `ip6.arpa` (RFC 3596, section 2.5) stands for, in canonical
 * text; `'partial'` for a name inside these zones that is no whole address; undefined for other names.
 */
export function addressOfReverseName(name: string): string | 'partial' | undefined {
  const v4 = name.match(/^(?:(.*)\.)?in-addr\.arpa$/)
  if (v4) {
    const octets = (v4[1] ?? '').split('.')
    const isAddress = octets.length === 4 && octets.every(octet => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) < 256)
    return isAddress ? octets.reverse().join('.') : 'partial'
  }
  const v6 = name.match(/^(?:(.*)\.)?ip6\.arpa$/)
  if (!v6) return undefined
  const nibbles = (v6[1] ?? '').split('.')
  if (nibbles.length !== 32 || !nibbles.every(nibble => /^[0-9a-f]$/.test(nibble))) return 'partial'
  const groups = nibbles.reverse().join('').match(/.{4}/g)!.join(':')
  return new URL(`http://[${groups}]/`).hostname.slice(1, -1)
}
