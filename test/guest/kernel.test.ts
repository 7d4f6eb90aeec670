import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t from 'tap'

import { inGuest } from '../support/guest.js'

/** What the guest kernel is there for, each proven by a command. */
const features = {
  'ip_vs with its schedulers': 'modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_dh ip_vs_sed ip_vs_nq ip_vs_mh',
  'dummy devices': 'ip link add d0 type dummy && ip link del d0',
  netem: 'tc qdisc add dev lo root netem delay 1ms && tc qdisc del dev lo root',
  SCTP: 'modprobe sctp',
  'iptables with ipset matches': 'ipset create s hash:ip,port,net && iptables-legacy -A INPUT -m set --match-set s dst,dst,src -j DROP',
  'veth and bridge': 'ip link add b0 type bridge && ip link add v0 master b0 type veth peer name v1 && ip link del v0 && ip link del b0',
  vxlan: 'ip link add x0 type vxlan id 1 dstport 4789 && ip link del x0',
}

await inGuest(import.meta.url, async () => {
  for (const [feature, command] of Object.entries(features)) {
    await t.test(feature, async t => {
      execFileSync('sh', ['-ec', command])
      t.pass(feature)
    })
  }

  await t.test('the machine around it cannot be written to, nor reached', async t => {
    t.throws(() => execFileSync('touch', [import.meta.url.replace('file://', '')], { stdio: 'pipe' }), { message: /Read-only file system/ })
    t.notOk(existsSync('/sys/class/net/eth0'))
  })
})
