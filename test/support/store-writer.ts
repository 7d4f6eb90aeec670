/** Writes to the store in argv[2] from 16 writers at once until it is killed, and prints each key once its commit is acknowledged. */
import { writeSync } from 'node:fs'

import { openLmdbStore } from '../../src/control-plane/store/lmdb-store.js'

const [directory = '', round = ''] = process.argv.slice(2)
const store = openLmdbStore(directory)

async function write(writer: number): Promise<void> {
  for (let i = 0; ; i++) {
    const key = `/${round}/${writer}/${i}`
    const result = await store.commit({ expect: [{ key, revision: 0 }], changes: [{ type: 'put', key, value: Buffer.alloc(500, 'x') }] })
    if (result.committed) writeSync(1, `${key} ${result.revision}\n`)
  }
}
await Promise.all(Array.from({ length: 16 }, (_, i) => write(i)))
