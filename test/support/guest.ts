import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

import { builtProgram, packageRoot } from '../../src/kernel/built-program.js'

const program = '/usr/bin/linux.uml'

/**
 * Runs the tests of a file in a kernel of their own: Debian's user-mode Linux, which has what kernels of test machines may lack
 * (ip_vs, dummy, netem, SCTP) and loads it when it is asked for. Up in two seconds; `tests` sees this machine's files, read-only, and an empty network.
 *
 * `url` is the file's `import.meta.url`: the guest runs the file again, and there `tests` is called. Nothing outlives this process, however it ends.
 * A guest that does not come to the end of its tests fails the file.
 */
export async function inGuest(url: string, tests: () => unknown): Promise<void> {
  if (process.env.GUEST_FILE !== undefined) {
    t.setTimeout(0) // Whoever runs the file outside has a limit, which is not known in here.
    await tests()
    return
  }
  const file = fileURLToPath(url)
  if (!existsSync(program) && process.arch !== 'x64') {
    await t.test(
      'in a guest kernel',
      { skip: `KERNEL_UNSUPPORTED: Debian has user-mode Linux for x86-64, not for ${process.arch}` },
      () => undefined,
    )
    return
  }
  const guest = t.spawn(
    builtProgram('host-enter'),
    ['--', ...guestCommand(file)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
    'in a guest kernel',
  )
  await guest
  // Without this, a guest that says nothing would count as skipped.
  t.ok(guest.subtest?.counts.total, 'tests ran in the guest kernel')
}

/**
 * The command that boots a guest, runs a test file in it and writes its TAP to standard output.
 *
 * In namespaces of its own: all processes of the guest end with the first, its files are in a mount that ends with it, and it has no way to this
 * machine's network.
 */
export function guestCommand(file: string): readonly string[] {
  const root = packageRoot()
  const kernel = [
    program,
    'mem=1G',
    // The root of this machine's files, by hostfs.
    'root=/dev/root rootfstype=hostfs rootflags=/ ro',
    `init=${root}/test/support/guest-init.sh`,
    // The kernel's words to standard error, the serial line to standard output.
    'con=null con0=null,fd:2 ssl0=null,fd:1 quiet loglevel=1',
    'uml_dir=/mnt/',
    ...Object.entries({ GUEST_ROOT: root, GUEST_NODE: process.execPath, GUEST_FILE: file }).map(([name, value]) => `'${name}="${value}"'`),
  ]
  const script = `mount -t tmpfs none /mnt && cd / && HOME=/mnt TMPDIR=/mnt exec ${kernel.join(' ')}`
  return ['unshare', '--mount', '--pid', '--net', '--fork', '--kill-child', 'sh', '-c', script]
}
