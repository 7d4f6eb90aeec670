import { z } from 'zod'

/**
 * One Pod interface as the CNI plugin made it: a file `<containerId>-<ifname>.json` in the node's CNI state directory
 * (`attachments/`), written before ADD answers and removed by DEL. `flow` reads these to know where a Pod can be captured.
 */
export const Attachment = z.strictObject({
  containerId: z.string(),
  ifname: z.string(),
  /** Path of the Pod's network namespace, valid on the node. */
  netns: z.string(),
  podNamespace: z.string(),
  podName: z.string(),
  podUid: z.string(),
  hostVeth: z.string(),
  mac: z.string(),
  /** With prefix length: `10.244.1.5/24`. */
  addresses: z.array(z.string()),
  gateway: z.string(),
  /** What the runtime said of it: the capability `aliases`, and the labels of `args.cni`. */
  aliases: z.array(z.string()).optional(),
  labels: z.record(z.string(), z.string()).optional(),
})
export type Attachment = z.infer<typeof Attachment>
