/** The name of the control plane's host; no Node object bears it. */
export const controlPlaneName = 'control-plane'

/** The name of the namespace that holds the underlay's bridge, so no host's. */
export const underlayName = 'underlay'

/** The name of the host that joins the segments of an underlay that has several. */
export const routerName = 'router'

/** The segment that hosts stand on when the lab file names none; the control plane is always there. */
export const mainSegment = 'main'
