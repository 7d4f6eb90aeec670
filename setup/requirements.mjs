/**
 * Everything podwire needs of a machine, as one table: `doctor` prints it, `prepare` mends it.
 *
 * `neededFor`: `build` to make dist/, `lab` to run a lab, `test` for `npm test`; each includes the ones before.
 * A requirement is a Debian package (a program or file proves it), a feature of the kernel (made and thrown away in a network
 * namespace of its own), or a property of the system.
 *
 * @typedef {import('./machine.mjs').Machine} Machine
 * @typedef {'build' | 'lab' | 'test'} Level
 * @typedef {{ state: 'present' | 'missing' | 'unknown', found: string }} Finding
 * @typedef {object} Requirement
 * @property {string} id
 * @property {'system' | 'package' | 'kernel'} kind
 * @property {Level} neededFor
 * @property {string} why what it does here
 * @property {(machine: Machine) => Finding} probe
 * @property {string} mend the command that makes it present
 */

/** @type {readonly Level[]} */
const levels = ['build', 'lab', 'test']

/**
 * A package and what proves it: a program's name, or the path of a file.
 * @param {string} id @param {string} proof @param {Level} neededFor @param {string} why
 * @returns {Requirement}
 */
const debian = (id, proof, neededFor, why) => ({
  id,
  kind: 'package',
  neededFor,
  why,
  mend: `apt-get install -y --no-install-recommends ${id}`,
  probe(machine) {
    const found = proof.startsWith('/') ? [proof].find(machine.exists) : machine.findProgram(proof)
    return found === undefined ? { state: 'missing', found: `no ${proof}` } : { state: 'present', found }
  },
})

/**
 * A feature that commands in a fresh network namespace can prove.
 * @param {string} id @param {string} module @param {string} why @param {string} script
 * @returns {Requirement}
 */
const kernel = (id, module, why, script) => ({
  id,
  kind: 'kernel',
  neededFor: 'lab',
  why,
  mend: `modprobe ${module}`,
  probe(machine) {
    if (!machine.isRoot) return { state: 'unknown', found: 'only root can try' }
    const { status, stderr } = machine.run(['unshare', '--net', '--mount', 'sh', '-c', script])
    if (status === 0) return { state: 'present', found: machine.kernelRelease }
    const words = stderr.trim().split('\n')[0] ?? ''
    return status === 127 ? { state: 'unknown', found: `cannot try yet: ${words}` } : { state: 'missing', found: words }
  },
})

/** @type {readonly Requirement[]} */
export const requirements = [
  {
    id: 'node',
    kind: 'system',
    neededFor: 'build',
    why: 'runs podwire',
    mend: 'install Node.js 20.11 or newer from https://nodejs.org/en/download',
    probe: ({ nodeVersion }) => ({ state: isAtLeast(nodeVersion, 20, 11) ? 'present' : 'missing', found: nodeVersion }),
  },
  {
    id: 'npm',
    kind: 'system',
    neededFor: 'build',
    why: 'installs the locked dependencies',
    mend: 'install npm, which comes with Node.js: https://nodejs.org/en/download',
    probe: machine => found(machine.findProgram('npm'), 'no npm on the PATH'),
  },
  {
    id: 'root',
    kind: 'system',
    neededFor: 'lab',
    why: 'makes namespaces, interfaces and mounts (doctor, --help and the build do without)',
    mend: 'sudo ./podwire up',
    probe: ({ isRoot }) => ({ state: isRoot ? 'present' : 'missing', found: isRoot ? 'uid 0' : 'not root' }),
  },
  {
    id: 'apt-get',
    kind: 'system',
    neededFor: 'build',
    why: 'installs the packages below; on another system install their programs by hand',
    mend: 'run podwire on Debian 12, or install by hand what `./podwire doctor` lists',
    probe: machine => found(machine.findProgram('apt-get'), 'no apt-get on the PATH'),
  },

  debian('gcc', 'cc', 'build', 'compiles the CNI forwarder and the PID 1 of hosts'),
  debian('libc6-dev', '/usr/include/stdio.h', 'build', 'C headers and the static C library of those two'),
  debian('containerd', 'containerd', 'lab', 'runs the Pods of a node, one containerd a node'),
  debian('crun', 'crun', 'lab', "starts containers for containerd, in less memory than Debian's runc"),
  debian('iptables', 'iptables-restore', 'lab', 'holds the Service rules'),
  debian('nftables', 'nft', 'lab', 'lists the rules the kernel holds, for the check that nothing is left behind'),
  debian('conntrack', 'conntrack', 'lab', 'shows and clears connection tracking: the NAT tuples in the report'),
  debian('iproute2', 'ip', 'lab', 'shows links and routes of a host'),
  debian('bird2', 'bird', 'lab', 'tells nodes of several segments the routes to Pods, by BGP'),
  debian('tcpdump', 'tcpdump', 'lab', 'captures packets at every hop'),
  debian('procps', 'sysctl', 'lab', 'ps and sysctl: looks at a host and breaks it, as the tour does'),
  debian('busybox-static', '/bin/busybox', 'lab', 'the programs inside the toolbox image'),
  debian('kubernetes-client', 'kubectl', 'test', 'drives the API server in the tests; any other kubectl on the PATH does as well'),
  debian('etcd-server', 'etcd', 'test', "the API server's other store, for several servers; labs keep theirs in lmdb"),
  debian(
    'containernetworking-plugins',
    '/usr/lib/cni/portmap',
    'lab',
    'hostPort and bandwidth limits of Pods: our CNI plugin is chained with theirs',
  ),
  debian('iperf3', 'iperf3', 'test', 'fills the Pod network in podwire bench cni'),
  debian('ethtool', 'ethtool', 'test', 'a second opinion on the checksum offloading of devices'),
  debian('chromium', 'chromium', 'test', 'opens the live page as a user does'),
  debian('tshark', 'tshark', 'test', 'a second opinion on every packet that our decoder reads'),
  debian('ipset', 'ipset', 'lab', 'holds the address sets of proxy ipvs'),
  debian('ipvsadm', 'ipvsadm', 'test', 'a second opinion on the virtual servers of proxy ipvs'),
  debian('kmod', 'modprobe', 'test', 'loads the modules of the guest kernel of the tests'),
  // Debian builds it for x86 only; elsewhere the tests in it skip.
  ...(process.arch === 'x64'
    ? [debian('user-mode-linux', 'linux.uml', 'test', 'the guest kernel of the tests: it has ip_vs, dummy, netem, SCTP')]
    : []),

  kernel('veth', 'veth', 'connects Pods and hosts', 'ip link add pw0 type veth peer name pw1'),
  kernel('bridge', 'bridge', "joins the Pods of a node, and the hosts' underlay", 'ip link add pw0 type bridge'),
  kernel('vxlan', 'vxlan', 'carries Pod packets between nodes', 'ip link add pw0 type vxlan id 1 dstport 4789'),
  kernel(
    'br_netfilter',
    'br_netfilter',
    'without it a Service answered on the same node replies from the wrong address',
    'cat /proc/sys/net/bridge/bridge-nf-call-iptables',
  ),
  kernel('nat', 'nft_nat', 'Service addresses become Pod addresses', 'iptables -w -t nat -A POSTROUTING -j MASQUERADE'),
  kernel('conntrack', 'nf_conntrack', 'replies find the way back through the NAT', 'conntrack -L'),
  kernel(
    'overlay',
    'overlay',
    'container images are layered by it',
    'mount -t tmpfs none /tmp && cd /tmp && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m',
  ),
  {
    id: 'cgroups',
    kind: 'kernel',
    neededFor: 'lab',
    why: 'holds the resource limits of Pods',
    mend: 'mount -t cgroup2 none /sys/fs/cgroup',
    probe(machine) {
      const mounts = machine.read('/proc/mounts').split('\n')
      const version = mounts.some(line => / cgroup rw.*\bpids\b/.test(line))
        ? 'version 1'
        : mounts.some(line => / cgroup2 /.test(line))
          ? 'version 2'
          : undefined
      return found(version, 'no cgroup hierarchy is mounted')
    },
  },
]

/**
 * The requirements of a level.
 * @param {Level} level
 */
export const requirementsFor = level => requirements.filter(({ neededFor }) => levels.indexOf(neededFor) <= levels.indexOf(level))

/** @param {string | undefined} what @param {string} otherwise @returns {Finding} */
const found = (what, otherwise) => (what === undefined ? { state: 'missing', found: otherwise } : { state: 'present', found: what })

/** @param {string} version @param {number} major @param {number} minor */
function isAtLeast(version, major, minor) {
  const [a = 0, b = 0] = version.split('.').map(Number)
  return a > major || (a === major && b >= minor)
}
