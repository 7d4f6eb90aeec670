/** Checks that imports go down the layers of architecture.mjs, that there are no cycles, and that packages keep to their doors. */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cruise } from 'dependency-cruiser'
import { doors, rooms } from '../architecture.mjs'

const escapeRegExp = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const inRoom = room => (/\.\w+$/.test(room) ? `^src/${escapeRegExp(room)}$` : `^src/${escapeRegExp(room)}/`)
const packagePattern = name =>
  name.startsWith('node:') ? `^${escapeRegExp(name.slice(5))}$` : `(^|node_modules/)${escapeRegExp(name)}($|/)`

const layerRules = rooms.map(({ room, may }) => ({
  name: `layers: ${room}`,
  comment: `${room} may import only: ${may.join(', ') || 'nothing'} (architecture.mjs). Move the code down a layer or hand the part over in bin/.`,
  severity: 'error',
  from: { path: inRoom(room) },
  to: { path: '^(src|bin|test)/', pathNot: [room, ...may].map(inRoom) },
}))
const doorRules = doors.map(({ packages, rooms: keepers }) => ({
  name: `doors: ${packages[0]}`,
  comment: `${packages.join(', ')} may be imported in ${keepers.join(', ')} only; ask that room for what you need.`,
  severity: 'error',
  from: { path: '^(src|bin)/', pathNot: keepers.map(inRoom) },
  to: { path: packages.map(packagePattern) },
}))
const forbidden = [
  ...layerRules,
  ...doorRules,
  {
    name: 'no cycles',
    comment: 'Break the cycle: move what both need to a file of its own.',
    severity: 'error',
    from: {},
    to: { circular: true },
  },
  { name: 'resolvable', comment: 'The import leads nowhere.', severity: 'error', from: {}, to: { couldNotResolve: true } },
  { name: 'bin is the end', comment: 'Nothing imports bin/.', severity: 'error', from: { path: '^src/' }, to: { path: '^bin/' } },
]

const known = new Set(rooms.map(({ room }) => room))
const strangers = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
  .map(entry => `${entry.parentPath}/${entry.name}`.replace(/^src\//, ''))
  .filter(file => ![...known].some(room => file.startsWith(`${room}/`)))

createRequire(import.meta.url)('@swc/core') // The parser below needs it; without it the cruise would see nothing.
const { output } = await cruise(['src', 'bin'], {
  ruleSet: { forbidden },
  validate: true,
  parser: 'swc',
  doNotFollow: { path: 'node_modules' },
  exclude: { path: '/(facts|generated)/' },
  enhancedResolveOptions: {
    extensionAlias: { '.js': ['.ts', '.js'] },
    conditionNames: ['import', 'require', 'node', 'default', 'types'],
    exportsFields: ['exports'],
  },
  tsPreCompilationDeps: true,
})

const seen = output.modules.filter(module => /^(src|bin)\//.test(module.source)).length
for (const file of strangers) console.error(`src/${file}: its folder is not a room of architecture.mjs`)
for (const { rule, from, to } of output.summary.violations) {
  const comment = forbidden.find(({ name }) => name === rule.name)?.comment ?? ''
  console.error(`${from} → ${to}: ${rule.name}\n    ${comment}`)
}
const bad = strangers.length + output.summary.violations.length
if (seen === 0) console.error('The layer check saw no files: it cannot say anything.')
console.log(`layers: ${seen} modules, ${output.summary.totalDependenciesCruised} imports, ${bad} violations`)
process.exit(bad > 0 || seen === 0 ? 1 : 0)
