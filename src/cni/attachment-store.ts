import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { Attachment } from '../base/config/attachment.js'
import type { AttachmentKey } from './request.js'

/** The interfaces that the plugin has made on this node, each a file (see base/config/attachment.ts). */
export interface AttachmentStore {
  get(key: AttachmentKey): Attachment | undefined
  list(): readonly Attachment[]
  /** Whole or not at all, whoever dies meanwhile. Not forced to the disk: a power cut takes the interface too. */
  put(attachment: Attachment): void
  /** One that is gone already is no error. */
  remove(key: AttachmentKey): void
}

/** The attachments below the plugin's state directory. */
export function openAttachmentStore(stateDir: string): AttachmentStore {
  const dir = join(stateDir, 'attachments')
  mkdirSync(dir, { recursive: true })
  const fileOf = ({ containerId, ifname }: AttachmentKey): string => join(dir, `${containerId}-${ifname}.json`)

  /** Undefined for a file that is gone or was not written by us: it must not keep the other attachments from being found. */
  const read = (path: string): Attachment | undefined => {
    try {
      return Attachment.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  return {
    get: key => read(fileOf(key)),
    list: () =>
      readdirSync(dir)
        .filter(name => name.endsWith('.json'))
        .flatMap(name => read(join(dir, name)) ?? []),
    put(attachment) {
      const path = fileOf(attachment)
      const temporary = `${path}.${process.pid}.tmp`
      writeFileSync(temporary, `${JSON.stringify(attachment)}\n`)
      renameSync(temporary, path)
    },
    remove: key => rmSync(fileOf(key), { force: true }),
  }
}
