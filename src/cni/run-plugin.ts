import { text } from 'node:stream/consumers'

import { localMachine } from '../kernel/local-machine.js'
import { openRtnetlink } from '../kernel/netlink-rtnetlink.js'
import { createCniPlugin } from './plugin.js'
import { podInterfaces } from './pod-interface.js'

/** The plugin as a program of its own, in the node's network namespace: serves the call of this process and returns its exit status. */
export async function runPlugin(process: Pick<NodeJS.Process, 'env' | 'stdin' | 'stdout'>): Promise<number> {
  const rtnetlink = openRtnetlink()
  try {
    const plugin = createCniPlugin({ datapath: podInterfaces({ enter: fn => fn(), rtnetlink }), run: localMachine.run })
    const { status, stdout } = await plugin({ env: process.env, stdin: await text(process.stdin) })
    if (stdout !== '') await new Promise<void>(resolve => process.stdout.write(stdout, () => resolve()))
    return status
  } finally {
    rtnetlink.close()
  }
}
