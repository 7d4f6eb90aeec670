import t from 'tap'

import { labPaths } from '../../../src/lab/lab-paths.js'

t.test('everything of a lab is in its folder', async t => {
  const paths = labPaths('shop')
  t.equal(paths.onHost('node-1', '/etc/podwire/agent.json'), '/var/lib/podwire/labs/shop/hosts/node-1/etc/podwire/agent.json')
  for (const path of Object.values(paths)) if (typeof path === 'string') t.ok(path.startsWith('/var/lib/podwire/labs/shop'))
})

for (const name of ['', '..', 'a/b', '../../etc', 'Shop', 'a'.repeat(13)]) {
  t.test(`${JSON.stringify(name)} is no name for a lab`, async t => t.throws(() => labPaths(name), { code: 'CONFIG_INVALID' }))
}
