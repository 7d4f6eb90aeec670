/**
 * Writes the generated parts of docs/: the table of rooms in architecture.md (from architecture.mjs) and errors.md (from the table of codes).
 * Run it after changing either: `npm run docs`. A test fails when they are stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tsImport } from 'tsx/esm/api'
import { doors, rooms } from '../architecture.mjs'
import { root } from './stamp.mjs'

const { errorCodes } = await tsImport('../src/base/errors/codes.ts', import.meta.url)

/** @returns {Readonly<Record<string, string>>} file, as it should be, by its path */
export function buildDocs() {
  const architecture = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  return { 'docs/architecture.md': withBlock(architecture, 'rooms', roomTables()), 'docs/errors.md': errorsPage() }
}

function roomTables() {
  const names = new Set(rooms.map(({ room }) => room))
  const sorted = [...rooms].sort((a, b) => a.layer - b.layer)
  return [
    table(
      ['layer', 'folder of `src/`', 'what lives there', 'may import'],
      sorted.map(({ layer, room, what, may }) => [String(layer), code(room), what, imports(may, names)]),
    ),
    'Packages that open a door to the machine may be imported in one room only:',
    table(
      ['packages', 'room'],
      doors.map(({ packages, rooms: keepers }) => [packages.map(code).join(', '), keepers.map(code).join(', ')]),
    ),
  ].join('\n\n')
}

/** Columns padded, as the formatter wants them. @param {readonly string[]} header @param {readonly (readonly string[])[]} rows */
function table(header, rows) {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map(row => row[column]?.length ?? 0)))
  const line = row => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** All rooms of `base/` together are one word. */
function imports(may, names) {
  const base = [...names].filter(name => name.startsWith('base/'))
  const all = base.every(name => may.includes(name))
  const list = all ? ['base', ...may.filter(name => !base.includes(name))] : may
  return list.length === 0 ? '–' : list.map(code).join(', ')
}

function errorsPage() {
  const words = { 1: 'the lab says no', 2: 'wrong use', 3: 'this machine cannot' }
  return `# Errors

Every failure of podwire is one line \`CODE message\` on stderr, followed where something can be done by \`hint:\` and, mostly, the exact command. Codes are
stable; messages are for people and may change. The exit status tells programs which kind it is.

${table(
  ['code', 'exit status', 'when'],
  Object.entries(errorCodes).map(([name, { exit, when }]) => [code(name), `${exit}: ${words[exit]}`, when]),
)}

\`podwire node HOST -- COMMAND\` exits with the status of the command itself.

This page is made of \`src/base/errors/codes.ts\` by \`npm run docs\`.
`
}

/** @param {string} text @param {string} name @param {string} block */
function withBlock(text, name, block) {
  const [begin, end] = [`<!-- ${name}: made of architecture.mjs by npm run docs -->`, `<!-- end of ${name} -->`]
  const [head, rest] = text.split(begin)
  const tail = rest?.split(end)[1]
  if (head === undefined || tail === undefined) throw new Error(`docs/architecture.md has lost its marks ${begin} … ${end}`)
  return `${head}${begin}\n\n${block}\n\n${end}${tail}`
}

/** @param {string} text */
const code = text => `\`${text}\``

if (process.argv[1] === import.meta.filename) for (const [file, text] of Object.entries(buildDocs())) writeFileSync(join(root, file), text)
