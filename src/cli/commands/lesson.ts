import { join } from 'node:path'
import { Command } from 'commander'

import { PodwireError } from '../../base/errors/podwire-error.js'
import { withInterrupt } from '../interrupt.js'
import { labOption, outputOption, requireLab, requireRoot } from '../lab-option.js'
import type { LessonSummary, Parts } from '../parts.js'
import { paintFor, textLadder } from '../text-ladder.js'
import { textTable } from '../text-table.js'
import { causeText } from './why.js'

interface StartOptions {
  readonly name?: string
  readonly out: string
}

/** `podwire lesson`. */
export function lessonCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  const folder = join(parts.root, 'lessons')
  const { terminal } = parts
  const list = new Command('list')
    .description('the exercises')
    .addOption(outputOption('table', 'json'))
    .action(async ({ output }: { readonly output: string }) => {
      const lessons = await parts.listLessons(folder)
      terminal.out(output === 'json' ? `${JSON.stringify(lessons, undefined, 2)}\n` : lessonTable(lessons))
    })
  const start = new Command('start')
    .description('break the lab, wait until you have mended it, and say so; Ctrl-C mends it for you')
    .argument('<lesson>', 'its name, as `lesson list` prints it')
    .addOption(labOption())
    .option('--out <dir>', 'where the pcapng goes', 'out/lesson')
    .action(async (lessonName: string, { name, out }: StartOptions) => {
      requireRoot(parts, 'lesson start')
      const lesson = (await parts.listLessons(folder)).find(each => each.name === lessonName)
      if (lesson === undefined) throw new PodwireError('NOT_FOUND', `there is no lesson ${lessonName}`, { hint: './podwire lesson list' })
      const lab = await requireLab(parts, name)
      const client = parts.connect(lab.kubeconfig)
      const paint = paintFor(terminal.hasColor)
      terminal.out(
        `${paint(lesson.title, 'bold')}\n\n${lesson.story}\nMake this go through: ./podwire why${name === undefined ? '' : ` --name ${name}`} -n ${lesson.namespace} ${lesson.from} ${lesson.to}\n\n`,
      )
      try {
        const isMended = await withInterrupt(terminal, 'nothing: what the lesson broke is mended', signal =>
          parts.runLesson(
            {
              lab,
              client,
              folder,
              name: lessonName,
              outDir: out,
              onLook: flow => terminal.out(textLadder(flow, paint)),
              onHint: () => terminal.out(`hint: ${lesson.hint}\n`),
            },
            signal,
          ),
        )
        for (const cause of isMended.causes ?? []) terminal.out(causeText(cause, paint, name))
        terminal.out(`${paint('mended', 'green')}  it gets through, by the way that the objects say.\n`)
      } finally {
        client.close()
      }
      done(0)
    })
  return new Command('lesson').description('broken labs to mend').addCommand(list).addCommand(start)
}

const lessonTable = (lessons: readonly LessonSummary[]): string =>
  textTable(
    ['lesson', 'part', 'title'],
    lessons.map(({ name, part, title }) => [name, part, title]),
  )
