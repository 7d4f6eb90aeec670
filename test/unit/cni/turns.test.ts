import t from 'tap'

import { createTurns } from '../../../src/cni/turns.js'

/** Work that begins when its turn comes and ends when told. */
function setUp() {
  const turns = createTurns()
  const running = new Set<string>()
  const ends = new Map<string, (error?: Error) => void>()
  const work = (name: string) => () => {
    running.add(name)
    return new Promise<string>((resolve, reject) => {
      ends.set(name, error => {
        running.delete(name)
        if (error) reject(error)
        else resolve(name)
      })
    })
  }
  const settle = () => new Promise(resolve => setImmediate(resolve))
  const end = async (name: string, error?: Error) => {
    ends.get(name)?.(error)
    await settle()
  }
  return { turns, running, work, settle, end }
}

t.test('one after the other for a key, side by side for others', async t => {
  const { turns, running, work, settle, end } = setUp()
  const [a1] = [turns.inTurn('a', work('a1')), turns.inTurn('a', work('a2')), turns.inTurn('b', work('b1'))]
  await settle()
  t.strictSame([...running], ['a1', 'b1'])
  await end('a1')
  t.equal(await a1, 'a1')
  t.strictSame([...running], ['b1', 'a2'])
})

t.test("a failure is the caller's and does not stop the next", async t => {
  const { turns, running, work, settle, end } = setUp()
  const failed = turns.inTurn('a', work('a1'))
  void turns.inTurn('a', work('a2'))
  await settle()
  const rejected = t.rejects(failed, { message: 'broken' })
  await end('a1', new Error('broken'))
  await rejected
  t.strictSame([...running], ['a2'])
})

t.test('alone waits for all before and keeps all after waiting', async t => {
  const { turns, running, work, settle, end } = setUp()
  void turns.inTurn('a', work('a1'))
  void turns.inTurn('b', work('b1'))
  void turns.alone(work('gc'))
  void turns.inTurn('a', work('a2'))
  void turns.inTurn('c', work('c1'))
  void turns.alone(work('gc2'))
  await settle()
  t.strictSame([...running], ['a1', 'b1'])
  await end('a1')
  t.strictSame([...running], ['b1'])
  await end('b1')
  t.strictSame([...running], ['gc'])
  await end('gc')
  t.strictSame([...running], ['a2', 'c1'])
  await end('a2')
  await end('c1')
  t.strictSame([...running], ['gc2'])
})
