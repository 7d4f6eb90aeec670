/**
 * The formats of names, with upstream's messages (apimachinery, pkg/util/validation).
 * Each check returns what is wrong with the text; an empty list means it is right.
 */
export type NameCheck = (text: string) => string[]

const dnsLabel = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const dns1035Label = '[a-z]([-a-z0-9]*[a-z0-9])?'
const dnsSubdomain = `${dnsLabel}(\\.${dnsLabel})*`
const qualifiedPart = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelValue = `(${qualifiedPart})?`

const whole = (pattern: string): RegExp => new RegExp(`^${pattern}$`)
const regexes = {
  dnsLabel: whole(dnsLabel),
  dns1035Label: whole(dns1035Label),
  dnsSubdomain: whole(dnsSubdomain),
  qualifiedPart: whole(qualifiedPart),
  labelValue: whole(labelValue),
  configMapKey: /^[-._a-zA-Z0-9]+$/,
  envName: /^[-._a-zA-Z][-._a-zA-Z0-9]*$/,
  portName: /^[a-z0-9-]+$/,
}

const tooLong = (limit: number): string => `must be no more than ${limit} bytes`
const usedFor = (message: string, pattern: string, ...examples: readonly string[]): string =>
  `${message} (${examples.length > 0 ? `e.g. ${examples.map(example => `'${example}'`).join(', or ')}, ` : ''}regex used for validation is '${pattern}')`

export const checkDnsLabel: NameCheck = text => [
  ...(text.length > 63 ? [tooLong(63)] : []),
  ...(regexes.dnsLabel.test(text)
    ? []
    : [
        usedFor(
          "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
          dnsLabel,
          'my-name',
          '123-abc',
        ),
      ]),
]

export const checkDns1035Label: NameCheck = text => [
  ...(text.length > 63 ? [tooLong(63)] : []),
  ...(regexes.dns1035Label.test(text)
    ? []
    : [
        usedFor(
          "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
          dns1035Label,
          'my-name',
          'abc-123',
        ),
      ]),
]

export const checkDnsSubdomain: NameCheck = text => [
  ...(text.length > 253 ? [tooLong(253)] : []),
  ...(regexes.dnsSubdomain.test(text)
    ? []
    : [
        usedFor(
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
          dnsSubdomain,
          'example.com',
        ),
      ]),
]

/** A label key, annotation key or finalizer: `name` or `prefix/name`. */
export const checkQualifiedName: NameCheck = text => {
  const parts = text.split('/')
  const charset =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
  if (parts.length > 2) {
    const message =
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    return [
      `${usedFor(message, qualifiedPart, 'MyName', 'my.name', '123-abc')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const problems: string[] = []
  if (parts.length === 2) {
    if (parts[0] === '') problems.push('prefix part must be non-empty')
    else problems.push(...checkDnsSubdomain(parts[0]!).map(message => `prefix part ${message}`))
  }
  const name = parts.at(-1)!
  if (name === '') problems.push('name part must be non-empty')
  else if (name.length > 63) problems.push(`name part ${tooLong(63)}`)
  if (!regexes.qualifiedPart.test(name)) problems.push(usedFor(charset, qualifiedPart, 'MyName', 'my.name', '123-abc'))
  return problems
}

export const checkLabelValue: NameCheck = text => [
  ...(text.length > 63 ? [tooLong(63)] : []),
  ...(regexes.labelValue.test(text)
    ? []
    : [
        usedFor(
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
          labelValue,
          'MyValue',
          'my_value',
          '12345',
        ),
      ]),
]

/** A key in a ConfigMap or Secret: it becomes a file name. */
export const checkConfigMapKey: NameCheck = text => {
  const problems = text.length > 253 ? [tooLong(253)] : []
  if (!regexes.configMapKey.test(text)) {
    const message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    problems.push(usedFor(message, '[-._a-zA-Z0-9]+', 'key.name', 'KEY_NAME', 'key-name'))
  }
  if (text === '.') problems.push("must not be '.'")
  if (text.startsWith('..')) problems.push(text === '..' ? "must not be '..'" : "must not start with '..'")
  return problems
}

export const checkEnvName: NameCheck = text =>
  regexes.envName.test(text)
    ? []
    : [
        usedFor(
          "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
          '[-._a-zA-Z][-._a-zA-Z0-9]*',
          'my.env-name',
          'MY_ENV.NAME',
          'MyEnvName1',
        ),
      ]

/** A port's name (IANA service name, RFC 6335). */
export const checkPortName: NameCheck = text => [
  ...(text.length > 15 ? ['must be no more than 15 characters'] : []),
  ...(regexes.portName.test(text) ? [] : ['must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)']),
  ...(/[a-z]/.test(text) ? [] : ['must contain at least one letter (a-z)']),
  ...(text.includes('--') ? ['must not contain consecutive hyphens'] : []),
  ...(/^-|-$/.test(text) ? ['must not begin or end with a hyphen'] : []),
]

export const checkPortNumber = (port: number): string[] => (port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive'])

/** A generateName prefix is checked as a name that goes on. */
export const asPrefix =
  (check: NameCheck): NameCheck =>
  text =>
    check(text.endsWith('-') ? `${text.slice(0, -1)}a` : text)
