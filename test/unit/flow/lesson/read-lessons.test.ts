/** The lessons that come with podwire, and what is said of one that is wrong. */
import t from 'tap'
import { parseLesson, readLessons } from '../../../../src/flow/lesson/read-lessons.js'

t.test('every lesson that there is can be read, and each breaks something else', async t => {
  const lessons = (await readLessons('lessons')).map(({ lesson }) => lesson)
  t.ok(lessons.length >= 25)
  const broken = lessons.map(({ spec }) => JSON.stringify([spec.break, spec.ask]))
  t.equal(new Set(broken).size, lessons.length)
})

t.test('a lesson that is wrong is refused at its lines', async t => {
  const text = `apiVersion: podwire.dev/v1alpha1
kind: Lesson
metadata: { name: x }
spec:
  titel: A
  part: somewhere
`
  t.throws(() => parseLesson(text, 'x.lesson.yaml'), {
    code: 'CONFIG_INVALID',
    message: /x\.lesson\.yaml:6:9 spec\.part/,
  })
  t.throws(() => parseLesson(text, 'x.lesson.yaml'), { message: /x\.lesson\.yaml:5:3 .*titel.*title/ })
  await t.rejects(readLessons('nowhere'), { code: 'NOT_FOUND', message: /nowhere/ })
})
