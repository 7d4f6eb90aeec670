import { isIP, isIPv4, isIPv6 } from 'node:net'

import { canonicalQuantity } from '../quantity.js'

const hostname = /^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\.?$/
const uuidOf = (version: string): RegExp => new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i')
const dateTime = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$/
/** Go's durations (`1h30m`), and those that go-openapi reads besides (`3 days`). */
const duration =
  /^[+-]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$|^\d+ ?(ns|us|ms|s|sec|second|m|min|minute|h|hr|hour|d|day|w|wk|week)s?$/

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/')
  if (rest.length > 0 || isIP(address) === 0 || !/^\d{1,3}$/.test(bits)) return false
  return Number(bits) <= (isIPv4(address) ? 32 : 128)
}

function isUri(text: string): boolean {
  try {
    new URL(text)
    return true
  } catch {
    return text.startsWith('/')
  }
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

function isQuantity(text: string): boolean {
  try {
    canonicalQuantity(text)
    return true
  } catch {
    return false
  }
}

/** The formats of strings that upstream checks (apiextensions, pkg/apiserver/schema, the formats of v1); others are only notes. */
const formats: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: text => /^[0-9a-f]{24}$/i.test(text),
  uri: isUri,
  email: text => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
  hostname: text => text.length <= 255 && hostname.test(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: text => /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}[0-9a-f]{2}$/i.test(text),
  uuid: text => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  uuid3: text => uuidOf('3').test(text),
  uuid4: text => uuidOf('4').test(text),
  uuid5: text => uuidOf('5').test(text),
  isbn: text => /^(97(8|9))?\d{9}(\d|X)$/.test(text.replace(/[- ]/g, '')),
  creditcard: text => /^\d{13,19}$/.test(text.replace(/[- ]/g, '')),
  ssn: text => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  hexcolor: text => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
  rgbcolor: text => /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/i.test(text),
  byte: text => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
  password: () => true,
  date: isDate,
  datetime: text => dateTime.test(text) && !Number.isNaN(Date.parse(text.replace(' ', 'T'))),
  duration: text => duration.test(text.trim()),
  quantity: isQuantity,
}

/** True unless `text` breaks a format that is known; names of formats are the same with and without hyphens. */
export function hasFormat(text: string, format: string): boolean {
  const name = format.replace(/-/g, '')
  return !Object.hasOwn(formats, name) || formats[name]!(text)
}

const wholeNumbers: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63],
}

/** True unless a number lies outside what its format holds. */
export function fitsFormat(value: number, format: string): boolean {
  const range = Object.hasOwn(wholeNumbers, format) ? wholeNumbers[format] : undefined
  return !range || (value >= range[0] && value <= range[1])
}
