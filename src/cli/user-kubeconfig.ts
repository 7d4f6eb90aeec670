import { mkdir, readFile, realpath, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { type Document, isSeq, parse, parseDocument } from 'yaml'
import { PodwireError } from '../base/errors/podwire-error.js'

type Environment = Readonly<Record<string, string | undefined>>

/** The context of a lab in the user's own kubeconfig. */
export const contextName = (lab: string): string => `podwire-${lab}`

const sections = ['clusters', 'contexts', 'users'] as const

/**
 * Puts the lab's cluster, user and context into the user's kubeconfig and makes it the current context; all else in the file stays as it is,
 * comments too. Returns the file. Errors: CONFIG_INVALID when the file is no kubeconfig; it is then left alone.
 */
export async function mergeContext(lab: string, labKubeconfig: string, env: Environment): Promise<string> {
  const name = contextName(lab)
  const source = parse(await readFile(labKubeconfig, 'utf8'))
  const entries = {
    clusters: { name, cluster: source.clusters[0].cluster },
    contexts: { name, context: { cluster: name, user: name } },
    users: { name, user: source.users[0].user },
  }
  return edit(env, document => {
    removeEntries(document, name)
    for (const section of sections) document.addIn([section], document.createNode(entries[section]))
    document.set('current-context', name)
  })
}

/** Takes the lab's entries out of the user's kubeconfig again; a file that has none is not written. */
export async function forgetContext(lab: string, env: Environment): Promise<void> {
  const text = await readIfThere(userKubeconfig(env))
  const name = contextName(lab)
  if (!text.includes(name)) return
  await edit(env, document => {
    removeEntries(document, name)
    if (document.get('current-context') === name) document.delete('current-context')
  })
}

/** As kubectl: the first file of KUBECONFIG, else ~/.kube/config. */
function userKubeconfig(env: Environment): string {
  const first = env.KUBECONFIG?.split(delimiter).find(path => path !== '')
  return first ?? join(env.HOME ?? homedir(), '.kube/config')
}

async function edit(env: Environment, change: (document: Document) => void): Promise<string> {
  const file = userKubeconfig(env)
  const document: Document = parseDocument((await readIfThere(file)) || 'apiVersion: v1\nkind: Config\n')
  const usable = document.errors.length === 0 && sections.every(section => !document.get(section) || isSeq(document.get(section)))
  if (!usable) {
    const hint = 'mend the file, or use: kubectl --kubeconfig <(./podwire kubeconfig)'
    throw new PodwireError('CONFIG_INVALID', `${file} is not a usable kubeconfig, so it was left as it is.`, { hint })
  }
  change(document)
  await writeWhole(file, document.toString())
  return file
}

function removeEntries(document: Document, name: string): void {
  for (const section of sections) {
    const list = document.get(section)
    if (!isSeq(list)) {
      document.set(section, document.createNode([]))
      continue
    }
    const kept = list.items.filter(item => !(typeof item === 'object' && item !== null && 'get' in item && nameOf(item) === name))
    list.items = kept
  }
}

const nameOf = (item: object): unknown => ('get' in item && typeof item.get === 'function' ? item.get('name') : undefined)

/** Written beside and renamed, so that no reader ever sees half a file; a link stays a link. */
async function writeWhole(file: string, text: string): Promise<void> {
  const target = await realpath(file).catch(() => file)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  const next = `${target}.podwire-${process.pid}`
  await writeFile(next, text, { mode: 0o600 })
  await rename(next, target)
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
