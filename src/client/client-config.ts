/** How to reach an API server and who to be there. All certificates and keys are PEM text. */
export interface ClientConfig {
  /** `https://HOST:PORT`; the server must speak HTTP/2, as every Kubernetes API server does. */
  readonly server: string
  /** The authorities that may have signed the server's certificate; the system's own when absent. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly token?: string
  /** A file that holds a bearer token and may change at any time; it wins over `token`. */
  readonly tokenFile?: string
  /** The name to verify the server's certificate against, when it is not the host of `server`. */
  readonly tlsServerName?: string
  readonly insecureSkipTlsVerify?: boolean
  /** The namespace meant when none is named. */
  readonly namespace?: string
  readonly userAgent?: string
}
