/** The parts of one rule, each as iptables takes it. */
export interface RuleParts {
  readonly source?: string
  readonly notSource?: string
  readonly destination?: string
  readonly notDestination?: string
  readonly inInterface?: string
  readonly notInInterface?: string
  readonly protocol?: string
  readonly comment?: string
  /** Matches that stand between the comment and the port. */
  readonly matches?: readonly string[]
  readonly dport?: number
  /** Matches that stand after the port. */
  readonly lateMatches?: readonly string[]
  /** The target with its options. */
  readonly jump?: string
}

/**
 * A rule exactly as `iptables-save` prints it (without `-A CHAIN`), so that what is planned can be compared with what the kernel holds.
 * With a protocol its match module is always named, as kube-proxy does.
 */
export function rule(parts: RuleParts): string {
  return [
    parts.source && `-s ${parts.source}`,
    parts.notSource && `! -s ${parts.notSource}`,
    parts.destination && `-d ${parts.destination}`,
    parts.notDestination && `! -d ${parts.notDestination}`,
    parts.inInterface && `-i ${parts.inInterface}`,
    parts.notInInterface && `! -i ${parts.notInInterface}`,
    parts.protocol && `-p ${parts.protocol}`,
    parts.comment && `-m comment --comment "${parts.comment}"`,
    ...(parts.matches ?? []),
    parts.protocol && `-m ${parts.protocol}`,
    parts.dport && `--dport ${parts.dport}`,
    ...(parts.lateMatches ?? []),
    parts.jump && `-j ${parts.jump}`,
  ]
    .filter(Boolean)
    .join(' ')
}

/** The probability as the kernel keeps it (in 2³¹ths) and iptables prints it. */
export const probability = (share: number): string => (Math.round(share * 2 ** 31) / 2 ** 31).toFixed(11)

/** The rule without its comment; empty when it was nothing else. */
export const withoutComment = (text: string): string => text.replace(/ ?-m comment --comment "[^"]*"/, '').trimStart()
