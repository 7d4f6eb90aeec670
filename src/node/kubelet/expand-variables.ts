/**
 * Replaces `$(NAME)` by its value; `$$` is a plain dollar sign, and a reference to a variable that is not set stays as it is.
 * Source: Kubernetes API reference, EnvVar.value and Container.command.
 */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, rest: string, name: string | undefined) => {
    if (rest === '$') return '$'
    return variables.get(name ?? '') ?? whole
  })
}
