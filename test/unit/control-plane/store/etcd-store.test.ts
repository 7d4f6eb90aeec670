import t from 'tap'

import { openEtcdStore } from '../../../../src/control-plane/store/etcd-store.js'
import type { Store } from '../../../../src/control-plane/store/store.js'
import { storeContract } from '../../../suites/store.js'
import { startEtcd } from '../../../support/etcd-server.js'
import { relativeStore } from '../../../support/relative-store.js'

const etcd = await startEtcd()
t.teardown(() => etcd.stop())

async function empty(store: Store): Promise<void> {
  for (const { key } of (await store.list('/')).entries) await store.commit({ expect: [], changes: [{ type: 'delete', key }] })
}

t.test('contract', async t => {
  for (const [name, row] of Object.entries(storeContract)) {
    await t.test(name, async t => {
      const store = await openEtcdStore({ endpoints: [etcd.url] })
      t.teardown(() => store.close())
      await empty(store)
      await row(t, relativeStore(store))
    })
  }
})
