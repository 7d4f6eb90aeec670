import { z } from 'zod'

/** The result of ADD, of any version from 0.3.1. */
export const Result = z.looseObject({
  cniVersion: z.string(),
  interfaces: z
    .array(z.looseObject({ name: z.string(), mac: z.string().optional(), mtu: z.int().optional(), sandbox: z.string().optional() }))
    .default([]),
  ips: z
    .array(
      z.looseObject({ address: z.string(), gateway: z.string().optional(), interface: z.int().optional(), version: z.string().optional() }),
    )
    .default([]),
  routes: z.array(z.looseObject({ dst: z.string(), gw: z.string().optional() })).default([]),
  dns: z.looseObject({ nameservers: z.array(z.string()).optional(), search: z.array(z.string()).optional() }).default({}),
})
export type Result = z.infer<typeof Result>

/** The interface that the result says was made in the container. */
export const containerInterface = ({ interfaces }: Result, netns: string) => interfaces.find(({ sandbox }) => sandbox === netns)
