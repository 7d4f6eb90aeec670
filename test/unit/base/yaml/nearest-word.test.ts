import t from 'tap'

import { nearestWord } from '../../../../src/base/yaml/nearest-word.js'

const known = ['name', 'nodes', 'underlay', 'services']

for (const [word, want] of Object.entries({ node: 'nodes', nmae: 'name', underly: 'underlay', service: 'services', Nodes: 'nodes' })) {
  t.test(`${word} was meant to be ${want}`, async t => t.equal(nearestWord(word, known), want))
}

t.test('what is like none is like none', async t => {
  t.equal(nearestWord('colour', known), undefined)
  t.equal(nearestWord('x', []), undefined)
})
