/** RFC 3339 in whole seconds, as Kubernetes' `Time`. */
export const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
