import type { UpgradeRequest } from '../../base/streams/proxy-upgrade.js'

/** A connection that its client wants to go on in another protocol. */
export interface StreamUpgrade extends UpgradeRequest {
  /** Takes the connection from `response`, which then must not be used. */
  take(): void
}
