import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import t from 'tap'

import { createNetns, netnsOf, withNetns } from '../../src/kernel/netns.js'

const here = (): string => readlinkSync('/proc/thread-self/ns/net')

t.test('work inside is in the other namespace, work after it is not', t => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const home = here()
  const inside = withNetns(netns.path, here)
  t.not(inside, home)
  t.equal(inside, readlinkSync(netns.path))
  t.equal(here(), home)
  t.end()
})

t.test('calls nest, and an error brings the thread back too', t => {
  const [a, b] = [createNetns(), createNetns()]
  t.teardown(() => {
    a.close()
    b.close()
  })
  const home = here()
  withNetns(a.path, () => {
    t.equal(withNetns(b.path, here), readlinkSync(b.path))
    t.equal(here(), readlinkSync(a.path))
  })
  t.throws(() =>
    withNetns(a.path, () => {
      throw new Error('inside')
    }),
  )
  t.equal(here(), home)
  t.end()
})

t.test('no other thread of the process is left in the namespace', async t => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  for (let i = 0; i < 200; i++) withNetns(netns.path, () => randomBytes(16, () => {}))
  const threads = readdirSync('/proc/self/task').map(task => readlinkSync(`/proc/self/task/${task}/ns/net`))
  t.strictSame([...new Set(threads)], [here()])
})

t.test('what is not a namespace is named in the error', t => {
  t.throws(() => withNetns('/run/no-such-netns', () => 0), { code: 'NOT_FOUND', message: /\/run\/no-such-netns/ })
  t.throws(() => withNetns('/proc/self/status', () => 0), { code: 'KERNEL_REFUSED', message: /EINVAL/ })
  t.throws(() => withNetns(netnsOf(process.pid), async () => 0), { code: 'INTERNAL' })
  t.end()
})

t.test('namespaces leave no descriptor open', t => {
  const open = (): number => readdirSync('/proc/self/fd').length
  const before = open()
  const netns = createNetns()
  withNetns(netns.path, here)
  netns.close()
  t.equal(open(), before)
  t.end()
})
