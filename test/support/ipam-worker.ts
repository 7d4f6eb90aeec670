/** Allocates and frees addresses for ever, and tells every step before and after it. Killed by ipam.test.ts. */
import { writeSync } from 'node:fs'

import { parseCidr } from '../../src/base/net/address.js'
import { wholeRange } from '../../src/cni/address-range.js'
import { openIpam } from '../../src/cni/ipam.js'

const [dir = '', range = '', name = ''] = process.argv.slice(2)
const ipam = openIpam(dir, [[wholeRange(parseCidr(range))]])
const tell = (...words: readonly string[]) => writeSync(1, `${words.join(' ')}\n`)

for (let i = 0; ; i++) {
  const owner = { containerId: `${name}-${i}`, ifname: 'eth0' }
  tell('allocating', owner.containerId)
  const [allocation] = await ipam.allocate(owner)
  tell('allocated', owner.containerId, allocation?.address ?? '')
  if (i % 3 === 0) continue // Keeps some.
  tell('releasing', owner.containerId)
  await ipam.release(owner)
  tell('released', owner.containerId)
}
