import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PodwireError } from '../base/errors/podwire-error.js'
import { livePage, type Region } from './page.js'

/** What the page shows and does. */
export interface PageParts {
  /** Everything that is drawn now, and from then on what changes; ends when `signal` aborts. */
  follow(onRegion: (region: Region, markup: string) => void, signal: AbortSignal): void
  /** Something was pressed. False: that is not offered. */
  press(word: string): boolean
  /** A form was sent. False: its values are not offered. */
  submit(form: string, values: Readonly<Record<string, string>>): boolean
  /** What was seen until now as a page of its own. */
  report(): string
}

export interface ServedPage {
  /** With the token that every request must have. */
  readonly url: string
  close(): Promise<void>
}

/** A form's values are a few names. */
const maxBody = 16_384
const policy =
  "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/**
 * Serves the live page on 127.0.0.1 to whoever knows its token: the commands behind it run as root, so other pages of the same browser and other
 * users of the machine must not reach it. Errors: CONFIG_INVALID when the port is taken.
 */
export async function servePage(
  parts: PageParts,
  { port, scriptFile }: { readonly port: number; readonly scriptFile: string },
): Promise<ServedPage> {
  const token = randomBytes(24).toString('base64url')
  const script = readFileSync(scriptFile)
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  const followers = new Set<AbortController>()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, type: string, body: string | Buffer): void => {
      response.writeHead(status, {
        'Content-Type': type,
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
        'Content-Security-Policy': policy,
      })
      response.end(body)
    }
    const { host = '' } = request.headers
    // A name that somebody else points to 127.0.0.1 is refused.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) return send(403, 'text/plain', 'wrong host\n')
    const path = `${request.method} ${request.url}`
    if (path === 'GET /') return send(200, 'text/html; charset=utf-8', livePage)
    if (path === 'GET /live-page.js') return send(200, 'text/javascript; charset=utf-8', script)
    if (!isToken(request.headers.authorization ?? '', token)) return send(403, 'text/plain', 'the token is missing\n')
    if (path === 'GET /report.html') return send(200, 'text/html; charset=utf-8', parts.report())
    if (path === 'GET /events') {
      const controller = new AbortController()
      followers.add(controller)
      response.once('close', () => {
        followers.delete(controller)
        controller.abort()
      })
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' })
      parts.follow((region, markup) => response.write(`${JSON.stringify({ region, markup })}\n`), controller.signal)
      return
    }
    if (path !== 'POST /do') return send(404, 'text/plain', 'not here\n')
    const told = asked(await bodyOf(request))
    const isOffered = told === undefined ? false : 'do' in told ? parts.press(told.do) : parts.submit(told.form, told.values)
    send(isOffered ? 202 : 400, 'text/plain', isOffered ? 'done\n' : 'not offered\n')
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: Error) =>
      reject(
        new PodwireError('CONFIG_INVALID', `127.0.0.1:${port} cannot be listened on: ${cause.message}`, {
          hint: '--port 0 takes one that is free',
          cause,
        }),
      ),
    )
    server.listen(port, '127.0.0.1', resolve)
  })
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${taken}/#${token}`,
    async close() {
      for (const controller of followers) controller.abort()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function isToken(authorization: string, token: string): boolean {
  const [given, wanted] = [Buffer.from(authorization), Buffer.from(`Bearer ${token}`)]
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBody) throw new PodwireError('CONFIG_INVALID', 'the request is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

type Told = { readonly do: string } | { readonly form: string; readonly values: Readonly<Record<string, string>> }

function asked(body: string): Told | undefined {
  const told: unknown = JSON.parse(body)
  if (typeof told !== 'object' || told === null) return undefined
  if ('do' in told && typeof told.do === 'string') return { do: told.do }
  if (!('form' in told && 'values' in told) || typeof told.form !== 'string' || typeof told.values !== 'object') return undefined
  const values = Object.entries(told.values ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return { form: told.form, values: Object.fromEntries(values) }
}
