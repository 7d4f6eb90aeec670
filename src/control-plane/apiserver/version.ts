import { apiFacts } from '../../api/schema.js'

const [major, minor] = apiFacts.kubernetes.replace('v', '').split('.')

/** What `/version` answers: the Kubernetes whose API this is. */
export const version = {
  major,
  minor,
  gitVersion: `${apiFacts.kubernetes}+podwire`,
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
}
