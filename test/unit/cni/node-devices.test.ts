import t from 'tap'

import { corruptsTunnelChecksums } from '../../../src/cni/node-devices.js'

t.test('kernels before 5.7 must not leave checksums in a tunnel to the device', async t => {
  for (const release of ['4.19.0-26-amd64', '5.4.0', '5.6.19']) t.ok(corruptsTunnelChecksums(release), release)
  for (const release of ['5.7.0', '5.10.0-33-amd64', '6.1.0', '6.18.2']) t.notOk(corruptsTunnelChecksums(release), release)
})
