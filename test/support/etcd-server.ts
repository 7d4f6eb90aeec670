import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An etcd of one member, on free ports of 127.0.0.1, with its data in a folder of its own. */
export interface TestEtcd {
  readonly url: string
  /** Ends it without a word, and starts it again over the same data and on the same ports. */
  killAndStart(): Promise<void>
  stop(): Promise<void>
}

interface Options {
  /** Files of a server certificate and of the authority that clients' certificates must be signed by. */
  readonly tls?: { readonly caFile: string; readonly certFile: string; readonly keyFile: string }
}

export async function startEtcd({ tls }: Options = {}): Promise<TestEtcd> {
  const directory = mkdtempSync(join(tmpdir(), 'podwire-etcd-'))
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${await freePort()}`
  const peer = `http://127.0.0.1:${await freePort()}`
  const security = tls
    ? ['--client-cert-auth', '--trusted-ca-file', tls.caFile, '--cert-file', tls.certFile, '--key-file', tls.keyFile]
    : []
  let child: ChildProcess

  async function start(): Promise<void> {
    child = spawn(
      'etcd',
      [
        ...['--name', 'one', '--data-dir', join(directory, 'data'), '--logger', 'zap', '--log-outputs', 'stderr'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `one=${peer}`],
        ...security,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let words = ''
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`etcd ended with ${code}: ${words.slice(-2000)}`)))
      child.stderr!.setEncoding('utf8').on('data', (text: string) => {
        words = (words + text).slice(-10_000)
        if (/ready to serve client requests|serving (insecure )?client (requests|traffic)/.test(words)) resolve()
      })
    })
  }

  async function end(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  await start()
  return {
    url,
    async killAndStart() {
      await end()
      await start()
    },
    async stop() {
      await end()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
