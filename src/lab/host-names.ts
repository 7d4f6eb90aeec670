/** The name of the control plane's host; no Node object bears it. */
export const controlPlaneName = 'control-plane'

/** The name of the namespace that holds the underlay's bridge, so no host's. */
export const underlayName = 'underlay'
