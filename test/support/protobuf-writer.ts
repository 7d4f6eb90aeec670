/** Writes protobuf by hand, so that the decoder is tried against another reading of the wire format. */
export function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

export const number = (tag: number, value: number | bigint): Buffer => Buffer.concat([varint(tag * 8), varint(value)])

export function field(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const bytes = Buffer.concat(parts.map(part => Buffer.from(part as string)))
  return Buffer.concat([varint(tag * 8 + 2), varint(bytes.length), bytes])
}

/** A whole body: the magic, then runtime.Unknown with its type and the message. */
export const kubernetesBody = (apiVersion: string, kind: string, ...parts: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from('k8s\0'), field(1, field(1, apiVersion), field(2, kind)), field(2, ...parts)])
