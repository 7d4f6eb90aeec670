/** The lessons that come with podwire, and what is said of one that is wrong. */
import t from 'tap'
import { parseLesson, readLessons } from '../../../../src/flow/lesson/read-lessons.js'

t.test('every lesson that there is can be read, and each breaks something else', async t => {
  const lessons = (await readLessons('lessons')).map(({ lesson }) => lesson)
  t.ok(lessons.length >= 25)
  t.equal(new Set(lessons.map(({ spec }) => spec.cause)).size, lessons.length)
  t.strictSame(
    lessons.filter(({ metadata, spec }) => metadata.name !== spec.cause),
    [],
    'a lesson has the name of what it breaks',
  )
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
