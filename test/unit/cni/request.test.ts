import t from 'tap'

import { cniErrorAnswer } from '../../../src/cni/cni-error.js'
import { parseCniRequest } from '../../../src/cni/request.js'

const add = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_NETNS: '/run/netns/a', CNI_IFNAME: 'eth0' }
const refusal = (env: Readonly<Record<string, string | undefined>>) => {
  try {
    return parseCniRequest(env)
  } catch (error) {
    return cniErrorAnswer(error, '1.1.0')
  }
}

t.test('what each command needs', async t => {
  t.match(refusal({}), { code: 4, msg: /CNI_COMMAND is missing/ })
  t.match(refusal({ CNI_COMMAND: 'add' }), { code: 4, msg: /one of ADD, DEL, CHECK, GC, STATUS, VERSION/ })
  t.match(refusal({ CNI_COMMAND: 'ADD' }), { code: 4, msg: 'ADD needs CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME' })
  t.match(refusal({ CNI_COMMAND: 'CHECK', CNI_IFNAME: 'eth0' }), { code: 4, msg: 'CHECK needs CNI_CONTAINERID, CNI_NETNS' })
  t.match(refusal({ CNI_COMMAND: 'DEL', CNI_NETNS: '/x' }), { code: 4, msg: 'DEL needs CNI_CONTAINERID, CNI_IFNAME' })
  t.match(refusal({ ...add, CNI_COMMAND: 'DEL', CNI_NETNS: '' }), { command: 'DEL', netns: undefined })
  for (const command of ['GC', 'STATUS', 'VERSION']) t.strictSame(refusal({ CNI_COMMAND: command }), { command })
})

t.test('names', async t => {
  const noPod = { namespace: '', name: '', uid: '' }
  t.strictSame(refusal(add), {
    command: 'ADD',
    containerId: 'c1',
    ifname: 'eth0',
    netns: '/run/netns/a',
    pod: noPod,
    asked: { ips: [], mac: undefined },
  })
  for (const id of ['-c', 'a/b', 'a b', '../x']) t.match(refusal({ ...add, CNI_CONTAINERID: id }), { code: 4, msg: /CNI_CONTAINERID/ }, id)
  for (const name of ['.', '..', 'a/b', 'a:b', 'a b', 'sixteen-letters-']) {
    t.match(refusal({ ...add, CNI_IFNAME: name }), { code: 4, msg: /CNI_IFNAME/ }, name)
  }
  t.match(refusal({ ...add, CNI_IFNAME: 'fifteen-letters' }), { ifname: 'fifteen-letters' })
})

t.test('CNI_ARGS', async t => {
  const args = (text: string) => refusal({ ...add, CNI_ARGS: text })
  const pod = 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web=1;K8S_POD_UID=u;K8S_POD_INFRA_CONTAINER_ID=c1'
  t.match(args(pod), { pod: { namespace: 'shop', name: 'web=1', uid: 'u' } })
  t.match(args(`IgnoreUnknown=1;${pod};X=y`), { pod: { namespace: 'shop' } })
  t.match(args(`IgnoreUnknown=true;X=y`), { command: 'ADD' })
  t.match(args(`${pod};X=y;Z=`), { code: 4, msg: 'CNI_ARGS: X, Z not understood' })
  t.match(args('IgnoreUnknown=0;X=y'), { code: 4 })
  t.match(args('IP=10.1.1.1,fd00::1;MAC=0a:58:00:00:00:01'), { asked: { ips: ['10.1.1.1', 'fd00::1'], mac: '0a:58:00:00:00:01' } })
  t.match(args('nonsense'), { code: 4, msg: /"nonsense" is not KEY=VALUE/ })
})
