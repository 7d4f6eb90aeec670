import { readFileSync } from 'node:fs'
import t from 'tap'

const module = new URL('../../../setup/docs.mjs', import.meta.url).href
const { buildDocs } = (await import(module)) as { buildDocs: () => Readonly<Record<string, string>> }

t.test('the generated parts of docs/ are current', async t => {
  for (const [file, text] of Object.entries(buildDocs())) t.equal(readFileSync(file, 'utf8'), text, `${file}: run npm run docs`)
})
