import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { PodwireError } from '../base/errors/podwire-error.js'
import { type FlowDocument, parseFlowFile } from './parse-flow-file.js'

/** The flow tests of files, and of all `*.flow.yaml` files in folders. Errors: CONFIG_INVALID, with the problems of all files; NOT_FOUND. */
export async function readFlowFiles(paths: readonly string[]): Promise<readonly FlowDocument[]> {
  const files = (await Promise.all(paths.map(flowFilesAt))).flat()
  if (files.length === 0) throw new PodwireError('NOT_FOUND', `no *.flow.yaml file in ${paths.join(', ')}`)
  const documents: FlowDocument[] = []
  const problems: PodwireError[] = []
  for (const file of files) {
    try {
      documents.push(...parseFlowFile(await readFile(file, 'utf8'), file))
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      problems.push(error)
    }
  }
  const [first] = problems
  if (first !== undefined) {
    throw new PodwireError(
      first.code,
      problems.map(({ message }) => message).join('\n'),
      first.hint === undefined ? {} : { hint: first.hint },
    )
  }
  return documents
}

async function flowFilesAt(path: string): Promise<readonly string[]> {
  const isFolder = await stat(path).then(
    found => found.isDirectory(),
    (cause: unknown) => {
      throw new PodwireError('NOT_FOUND', `there is no ${path}`, { cause })
    },
  )
  if (!isFolder) return [path]
  const names = await readdir(path)
  return names
    .filter(name => name.endsWith('.flow.yaml'))
    .sort()
    .map(name => join(path, name))
}
