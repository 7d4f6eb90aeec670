/** Which address of the underlay's range is whose; the lab file fixes the rest. */
export const places = { gateway: 1, controlPlane: 2, firstNode: 11, firstExternal: 101 } as const
