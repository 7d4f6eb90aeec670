import { PodwireError } from '../base/errors/podwire-error.js'
import type { IpFamily } from '../base/net/address.js'
import type { Conntrack } from './conntrack.js'
import type { Host } from './host.js'
import { parseConntrack } from './parse-conntrack.js'

/** Connection tracking by the program `conntrack`, executed by `run`: on a host, or in the namespaces of this process. */
export function execConntrack(run: Host['run'], family: IpFamily = 4): Conntrack {
  const familyArgs = ['-f', family === 4 ? 'ipv4' : 'ipv6']
  return {
    async list(protocol, signal) {
      const only = protocol === 'all' ? [] : ['-p', protocol]
      const argv = ['conntrack', '-L', ...familyArgs, ...only, '-o', 'extended,id']
      const { stdout, stderr, exitCode } = await run(argv, { allowFailure: true, signal })
      if (exitCode !== 0) throw new PodwireError('KERNEL_REFUSED', `conntrack could not list ${protocol} flows: ${stderr.trim()}`)
      return parseConntrack(stdout)
    },

    async delete({ protocol, orig }, signal) {
      const ports = orig.sport === undefined ? [] : ['--orig-port-src', `${orig.sport}`, '--orig-port-dst', `${orig.dport}`]
      const argv = ['conntrack', '-D', ...familyArgs, '-p', protocol, '--orig-src', orig.src, '--orig-dst', orig.dst, ...ports]
      const { stderr, exitCode } = await run(argv, { allowFailure: true, signal })
      // The program ends with 1 also when it found nothing to delete.
      if (exitCode !== 0 && !stderr.includes('0 flow entries have been deleted')) {
        throw new PodwireError('KERNEL_REFUSED', `conntrack could not delete ${protocol} ${orig.src} → ${orig.dst}: ${stderr.trim()}`)
      }
    },
  }
}
