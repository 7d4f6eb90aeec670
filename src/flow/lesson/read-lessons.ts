import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'

import { PodwireError } from '../../base/errors/podwire-error.js'
import { placedLines, schemaProblems, syntaxProblems } from '../../base/yaml/yaml-problems.js'
import { Lesson } from './lesson-schema.js'

/** A lesson with the file it stands in. */
export interface LessonFile {
  readonly file: string
  readonly lesson: Lesson
}

const suffix = '.lesson.yaml'

/** All lessons of a folder, by the names of their files. Errors: CONFIG_INVALID with file:line:column; NOT_FOUND. */
export async function readLessons(folder: string): Promise<readonly LessonFile[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new PodwireError('NOT_FOUND', `there is no ${folder}`, { cause })
  })
  const files = names.filter(name => name.endsWith(suffix)).sort()
  return Promise.all(files.map(async name => parseLesson(await readFile(join(folder, name), 'utf8'), join(folder, name))))
}

/** One lesson. Errors: CONFIG_INVALID with all problems of the file. */
export function parseLesson(text: string, file: string): LessonFile {
  const lineCounter = new LineCounter()
  const doc = parseDocument(text, { lineCounter })
  const result = Lesson.safeParse(doc.toJS())
  const problems = doc.errors.length > 0 ? syntaxProblems(doc) : result.success ? [] : schemaProblems(doc, Lesson, result.error.issues)
  if (problems.length > 0 || !result.success) {
    throw new PodwireError('CONFIG_INVALID', `${file} is not a valid lesson:\n${placedLines(problems, { file, lineCounter })}`)
  }
  return { file, lesson: result.data }
}
