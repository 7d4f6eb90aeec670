/**
 * Two nodes, an underlay and a host outside, made by hand with `ip` and `iptables` in namespaces without names: what the datapath and the proxy of
 * podwire would make, but by other code, so that tests of captures do not test two things at once.
 */

import { fileURLToPath } from 'node:url'
import type { Host } from '../../src/kernel/host.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns, type NetnsHandle } from '../../src/kernel/netns.js'

export interface RigPod {
  readonly name: string
  readonly node: string
  readonly ip: string
  readonly mac: string
  readonly veth: string
  readonly netns: NetnsHandle
  readonly host: Host
}

export interface Rig {
  readonly nodes: Readonly<Record<'node-1' | 'node-2', Host>>
  readonly outside: Host
  readonly pods: Readonly<Record<'client' | 'near' | 'far', RigPod>>
  readonly service: { readonly ip: string; readonly port: number; readonly nodePort: number; readonly targetPort: number }
  /** Makes the Service lead to one Pod, or to none (then it is rejected). */
  pointService(to: RigPod | undefined): Promise<void>
  stop(): Promise<void>
}

const nodeIp = (n: number): string => `172.30.0.1${n}`
const vtepMac = (n: number): string => `0a:58:0a:f4:0${n}:00`
export const testServerArgv = [process.execPath, fileURLToPath(new URL('../../dist/test-server.js', import.meta.url))]
export const probeArgv = [process.execPath, fileURLToPath(new URL('../../dist/probe.js', import.meta.url))]

export async function makeTwoNodes(signal: AbortSignal): Promise<Rig> {
  const handles: NetnsHandle[] = []
  const make = (name: string): { netns: NetnsHandle; host: Host } => {
    const netns = createNetns()
    handles.push(netns)
    return { netns, host: { ...localMachine.enter(netns.path), name } }
  }
  const batch = (host: Host, lines: readonly string[]) => host.run(['ip', '-batch', '-'], { input: lines.join('\n'), signal })
  const underlay = make('underlay')
  await batch(underlay.host, ['link add br0 type bridge', 'link set br0 up', 'addr add 172.30.0.1/24 dev br0'])

  const attach = async (host: Host, netns: NetnsHandle, name: string, address: string) => {
    await batch(underlay.host, [`link add ${name} type veth peer name eth0 netns ${netns.path}`, `link set ${name} master br0 up`])
    await batch(host, ['link set lo up', 'link set eth0 up', `addr add ${address}/24 dev eth0`, 'route add default via 172.30.0.1'])
  }
  const one = make('node-1')
  const two = make('node-2')
  const ext = make('ext1')
  await attach(one.host, one.netns, 'u1', nodeIp(1))
  await attach(two.host, two.netns, 'u2', nodeIp(2))
  await attach(ext.host, ext.netns, 'u3', '172.30.0.101')

  for (const [n, { host }] of [
    [1, one],
    [2, two],
  ] as const) {
    const other = 3 - n
    await batch(host, [
      'link add cni0 type bridge',
      `addr add 10.244.${n}.1/24 dev cni0`,
      'link set cni0 mtu 1450 up',
      `link add vxlan0 address ${vtepMac(n)} mtu 1450 type vxlan id 1 dstport 4789 local ${nodeIp(n)} dev eth0 nolearning`,
      `addr add 10.244.${n}.0/32 dev vxlan0`,
      'link set vxlan0 up',
      `route add 10.244.${other}.0/24 via 10.244.${other}.0 dev vxlan0 onlink`,
      `neigh add 10.244.${other}.0 lladdr ${vtepMac(other)} dev vxlan0 nud permanent`,
    ])
    await host.run(['bridge', 'fdb', 'add', vtepMac(other), 'dev', 'vxlan0', 'dst', nodeIp(other)], { signal })
    for (const key of ['net.ipv4.ip_forward=1', 'net.bridge.bridge-nf-call-iptables=1', 'net.ipv4.conf.all.rp_filter=0']) {
      await host.run(['busybox', 'sysctl', '-w', key], { signal })
    }
  }

  const pod = async (name: string, n: 1 | 2, last: number): Promise<RigPod> => {
    const { netns, host } = make(name)
    const node = n === 1 ? one.host : two.host
    const veth = `veth${name}`
    const mac = `0a:58:0a:f4:0${n}:0${last}`
    const ip = `10.244.${n}.${last}`
    await batch(node, [
      `link add ${veth} type veth peer name eth0 address ${mac} netns ${netns.path}`,
      `link set ${veth} master cni0 mtu 1450 up`,
    ])
    await node.run(['bridge', 'link', 'set', 'dev', veth, 'hairpin', 'on'], { signal })
    await batch(host, ['link set lo up', 'link set eth0 mtu 1450 up', `addr add ${ip}/24 dev eth0`, `route add default via 10.244.${n}.1`])
    return { name, node: `node-${n}`, ip, mac, veth, netns, host }
  }
  const pods = { client: await pod('client', 1, 5), near: await pod('near', 1, 6), far: await pod('far', 2, 7) }

  const servers = await Promise.all(
    Object.values(pods).map(async ({ name, host }) => {
      const server = host.start([...testServerArgv, '--http', '8080', '--tcp', '9000', '--udp', '9001'], {
        env: { POD_NAME: name },
        signal,
      })
      await new Promise<void>((resolve, reject) => {
        let lines = 0
        server.stdout?.on('data', (chunk: Uint8Array) => {
          lines += Buffer.from(chunk).toString().split('\n').length - 1
          if (lines >= 3) resolve()
        })
        void server.ended.then(status => reject(new Error(`test server of ${name} ended with ${status}`)))
      })
      return server
    }),
  )

  const service = { ip: '10.96.0.10', port: 80, nodePort: 30080, targetPort: 8080 }
  const pointService = async (to: RigPod | undefined): Promise<void> => {
    const rules = to === undefined ? noEndpoint(service) : oneEndpoint(service, to)
    for (const { host } of [one, two]) await host.run(['iptables-restore'], { input: rules, signal })
  }
  await pointService(pods.near)

  return {
    nodes: { 'node-1': one.host, 'node-2': two.host },
    outside: ext.host,
    pods,
    service,
    pointService,
    async stop() {
      await Promise.all(servers.map(server => server.stop()))
      for (const handle of handles) handle.close()
    },
  }
}

type Service = Rig['service']

const oneEndpoint = ({ ip, port, nodePort, targetPort }: Service, pod: RigPod): string => `*nat
:KUBE-SVC - [0:0]
:KUBE-EXT - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -d ${ip}/32 -p tcp -m tcp --dport ${port} -j KUBE-SVC
-A OUTPUT -d ${ip}/32 -p tcp -m tcp --dport ${port} -j KUBE-SVC
-A PREROUTING -m addrtype --dst-type LOCAL -p tcp -m tcp --dport ${nodePort} -j KUBE-EXT
-A KUBE-EXT -j KUBE-MARK-MASQ
-A KUBE-EXT -j KUBE-SVC
-A KUBE-SVC ! -s 10.244.0.0/16 -d ${ip}/32 -j KUBE-MARK-MASQ
-A KUBE-SVC -s ${pod.ip}/32 -j KUBE-MARK-MASQ
-A KUBE-SVC -p tcp -j DNAT --to-destination ${pod.ip}:${targetPort}
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully
COMMIT
*filter
COMMIT
`

const noEndpoint = ({ ip, port, nodePort }: Service): string => `*nat
COMMIT
*filter
-A FORWARD -d ${ip}/32 -p tcp -m tcp --dport ${port} -m conntrack --ctstate NEW -j REJECT
-A OUTPUT -d ${ip}/32 -p tcp -m tcp --dport ${port} -m conntrack --ctstate NEW -j REJECT
-A INPUT -m addrtype --dst-type LOCAL -p tcp -m tcp --dport ${nodePort} -j REJECT
COMMIT
`
