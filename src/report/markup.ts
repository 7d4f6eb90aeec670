/** A piece of HTML or SVG in which every foreign text has been escaped. */
export interface Markup {
  readonly markup: string
}

type Value = Markup | string | number | undefined | false | readonly Value[]

/** Builds markup; every interpolated text is escaped, markup is taken as it is, undefined and false are nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return { markup: parts.reduce((text, part, i) => text + render(values[i - 1]) + part) }
}

function render(value: Value): string {
  if (value === undefined || value === false) return ''
  if (typeof value === 'string') return escapeText(value)
  if (typeof value === 'number') return String(value)
  return 'markup' in value ? value.markup : value.map(render).join('')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Control characters are not allowed in XML and are dropped. */
const escapeText = (text: string): string =>
  text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]/g, '').replace(/[&<>"']/g, character => entities[character] ?? '')
