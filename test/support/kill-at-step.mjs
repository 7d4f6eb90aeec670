/*
 * Loaded before a program (node --import): kills it, as kill -9 does, before its n-th step that changes anything outside of it, n being KILL_AT_STEP.
 * A step is a change of the file system or a netlink message that is no question. With KILL_AT_STEP=0 it counts, and tells at the end on stderr.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import koffi from 'koffi'

const last = Number(process.env.KILL_AT_STEP)
let steps = 0

function step() {
  steps++
  if (steps === last) {
    process.kill(process.pid, 'SIGKILL')
    // The signal is delivered on the way back from the call; nothing may happen until then.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}

for (const name of ['symlinkSync', 'renameSync', 'rmSync', 'writeFileSync']) {
  const real = fs[name]
  fs[name] = (...args) => {
    step()
    return real(...args)
  }
}
syncBuiltinESMExports()

/** Of netlink's messages those that are no question: neither NLM_F_DUMP nor one of rtnetlink's GET types. */
const changes = message => {
  const [type, flags] = [message.readUInt16LE(4), message.readUInt16LE(6)]
  return (flags & 0x300) !== 0x300 && !(type >= 16 && type < 128 && type % 4 === 2)
}

const load = koffi.load
koffi.load = (...args) => {
  const library = load(...args)
  return {
    func(text) {
      const real = library.func(text)
      if (!text.includes(' sendto(')) return real
      const counted =
        send =>
        (...call) => {
          if (changes(Buffer.from(call[1]))) step()
          return send(...call)
        }
      return Object.assign(counted(real), { async: counted(real.async) })
    },
  }
}

process.on('exit', () => {
  if (last === 0) process.stderr.write(`steps: ${steps}\n`)
})
