/** How the kubelet tells what it does; pino's loggers are of this shape. */
export interface KubeletLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}
