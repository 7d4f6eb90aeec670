/** The live page in a browser: drawn, filled, pressed; and closed to whoever has no token. */
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { type Browser, chromium } from 'playwright-core'
import t from 'tap'

import { LiveView } from '../../../src/ui/live-view.js'
import { servePage } from '../../../src/ui/serve-page.js'
import { liveSnapshot, passing } from '../../support/live-lab.js'
import { sampleRun } from '../../support/sample-run.js'

const { signal } = new AbortController()
const ran: string[] = []
let browser: Browser | undefined

const dir = t.testdir()
const scriptFile = join(dir, 'live-page.js')
buildSync({ entryPoints: ['src/ui/browser/live-page.ts'], outfile: scriptFile, bundle: true, format: 'esm' })
const view = new LiveView(
  {
    name: 'red',
    kubeconfig: '/lab.kubeconfig',
    lessons: [{ name: 'hairpin-off', title: 'A Pod that <b>cannot</b> reach itself' }],
    run: async (argv, onOutput) => {
      ran.push(argv.join(' '))
      onOutput(argv.includes('json') ? JSON.stringify(sampleRun.flows[0]) : 'proxy: nftables on 2 nodes\n')
      return 0
    },
  },
  signal,
)
const page = await servePage(view, { port: 0, scriptFile })
t.teardown(async () => {
  await browser?.close()
  await page.close()
})

view.takeSnapshot(liveSnapshot())
view.takeLook({
  modes: { datapath: 'vxlan', proxy: 'iptables', netpol: 'nftables' },
  deployments: [{ metadata: { namespace: 'shop', name: 'web' }, spec: { replicas: 2, selector: {}, template: {} } }],
  downUplinks: new Set(['node-2']),
  tables: [
    {
      host: 'node-1',
      conntrack: sampleRun.flows.flatMap(({ conntrack }) => conntrack),
      rules: [{ host: 'node-1', chain: 'nat KUBE-SERVICES', rule: '-d 10.96.0.10/32 -j KUBE-SVC-A', packets: 4 }],
      routes: ['10.244.2.0/24 via 10.244.2.0 dev vxlan0 onlink'],
      fdb: [],
      virtualServers: [],
    },
  ],
})
view.tick()

t.test('who has no token, or comes by another name, is refused', async t => {
  const { port } = new URL(page.url)
  const status = (path: string, method: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, headers }, (answer: IncomingMessage) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asked.on('error', reject)
      asked.end()
    })
  const Authorization = `Bearer ${new URL(page.url).hash.slice(1)}`
  for (const [method, path] of [
    ['GET', '/events'],
    ['GET', '/report.html'],
    ['POST', '/do'],
  ] as const) {
    t.equal(await status(path, method, {}), 403, `${path} without`)
    t.equal(await status(path, method, { Authorization: 'Bearer nothing' }), 403, `${path} with another`)
    t.equal(await status(path, method, { Authorization, Host: 'evil.example' }), 403, `${path} by another name`)
  }
  t.equal(await status('/report.html', 'GET', { Authorization }), 200)
  t.notMatch(readFileSync(scriptFile, 'utf8'), /https?:\/\//, 'the script knows no other place')
})

t.test('only what is offered is run', async t => {
  t.equal(view.press('run rm -rf /'), false)
  t.equal(view.press('elsewhere'), false)
  t.equal(view.submit('ask', { from: 'pod/shop/client; reboot', to: 'svc/shop/web:80' }), false)
  t.equal(view.submit('ask', { from: 'pod/shop/client', to: 'svc/shop/web:80', command: 'down' }), false)
  t.strictSame(ran, [])
})

t.test('in a browser', async t => {
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  const tab = await browser.newPage({ viewport: { width: 1600, height: 1000 } })
  const errors: string[] = []
  tab.on('pageerror', error => errors.push(error.message))
  tab.on('console', message => message.type() === 'error' && errors.push(message.text()))
  await tab.goto(page.url)

  await t.test('topology, with all namespaces or one', async t => {
    await tab.locator('.host', { hasText: 'node-2' }).waitFor()
    t.equal(await tab.locator('.pods li').count(), 3)
    t.match(await tab.locator('.host', { hasText: 'node-2' }).textContent(), /br_netfilter is off/)
    await tab.getByRole('button', { name: 'bank', exact: true }).click()
    await tab.locator('.pods li', { hasText: 'client' }).waitFor({ state: 'detached' })
    t.equal(await tab.locator('.pods li').count(), 1)
    await tab.getByRole('button', { name: 'all namespaces' }).click()
  })

  await t.test('a ladder fills as packets come, and can be gone through step by step', async t => {
    const [first, ...rest] = passing(41000)
    view.see(first!, liveSnapshot())
    view.drawFlows()
    await tab.locator('.flows button', { hasText: 'no answer yet' }).waitFor()
    t.equal(await tab.locator('#ladder .rung').count(), 1)
    for (const sighting of rest) view.see(sighting, liveSnapshot())
    view.tick()
    await tab.locator('.flows button', { hasText: 'answered' }).waitFor()
    t.equal(await tab.locator('#ladder .rung').count(), 8)
    t.ok((await tab.locator('.pods li.busy').count()) > 0, 'who spoke lights up')
    await tab.getByRole('button', { name: 'step ▶' }).click()
    await tab.getByText('step 1 of 8').waitFor()
    t.equal(await tab.locator('#ladder .rung').count(), 1)
    await tab.getByRole('button', { name: 'all 8' }).click()
    await tab.getByText('step 1 of 8').waitFor({ state: 'detached' })
  })

  await t.test('a switch runs the command that it shows', async t => {
    const button = tab.locator('#switches button', { hasText: 'nftables' }).first()
    t.equal(await button.getAttribute('title'), './podwire set proxy nftables --name red')
    await button.click()
    await tab.locator('.commands li.done', { hasText: 'proxy: nftables on 2 nodes' }).waitFor()
    t.strictSame(ran, ['./podwire set proxy nftables --name red'])
    t.equal(await tab.locator('#switches button[aria-pressed=true]', { hasText: 'iptables' }).count(), 1)
    t.equal(await tab.locator('#switches b', { hasText: 'cannot' }).count(), 0, 'titles of lessons are text')
  })

  await t.test('a packet sent from the page is explained', async t => {
    await tab.locator('select[name=from]').selectOption('pod/shop/client')
    await tab.locator('select[name=to]').selectOption('svc/shop/web:80')
    await tab.getByRole('button', { name: 'Trace one packet' }).click()
    await tab.locator('#ladder h3', { hasText: sampleRun.flows[0]!.name }).waitFor()
    t.equal(ran.at(-1), './podwire trace pod/shop/client svc/shop/web:80 -o json --name red')
    t.equal(await tab.locator('select[name=to]').inputValue(), 'svc/shop/web:80', 'the choice stays')
  })

  await t.test('by keys alone', async t => {
    await tab.getByRole('button', { name: 'all namespaces' }).focus()
    await tab.keyboard.press('Tab')
    await tab.keyboard.press('Enter')
    await tab.locator('.filter button[aria-pressed=true]', { hasText: 'bank' }).waitFor()
    t.equal(await tab.locator('.filter button:focus').textContent(), 'bank', 'the focus stays when the part is drawn anew')
    await tab.getByRole('button', { name: 'all namespaces' }).click()
  })

  t.strictSame(errors, [], 'the browser complains of nothing')
})
