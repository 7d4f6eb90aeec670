/** One entry of a layer. Paths have no leading slash. */
export type LayerEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | { readonly type: 'text'; readonly path: string; readonly mode: number; readonly text: string }
  /** The bytes of a file of this machine. */
  | { readonly type: 'copy'; readonly path: string; readonly mode: number; readonly from: string }

export interface LayerPlan {
  readonly name: string
  readonly entries: readonly LayerEntry[]
}

/** The part of an OCI image configuration that tells how to run it. */
export interface RunConfig {
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly WorkingDir?: string
}

/** An image as it is to be built. Layers that several plans share are one object and are stored once. */
export interface ImagePlan {
  /** The full reference, as `docker.io/podwire/toolbox:latest`. */
  readonly name: string
  readonly layers: readonly LayerPlan[]
  readonly config: RunConfig
}

/** What of this machine goes into the images. */
export interface ImageParts {
  /** Path of the Node binary. */
  readonly node: string
  /** Paths by which the Node binary finds its shared libraries and its loader (`/lib/x86_64-linux-gnu/libm.so.6`). */
  readonly libraries: readonly string[]
  /** Path of a static busybox. */
  readonly busybox: string
  /** Where busybox's applets are expected, as `bin/sh` (`busybox --list-full`). */
  readonly applets: readonly string[]
  /** Where our own built programs are. */
  readonly distDir: string
}

export const imageNames = {
  pause: 'docker.io/podwire/pause:latest',
  toolbox: 'docker.io/podwire/toolbox:latest',
  dns: 'docker.io/podwire/dns:latest',
} as const

const passwd = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
`
const group = `root:x:0:
nogroup:x:65534:
`
/** glibc asks the hosts file first, then the name servers of resolv.conf, as in every distribution. */
const nsswitch = `passwd: files
group: files
hosts: files dns
`

/** The images of the lab as data; the same parts give the same plan. */
export function planImages(parts: ImageParts): readonly ImagePlan[] {
  const path = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']
  const base = busyboxLayer(parts)
  const node = nodeLayer(parts)
  const program = (name: string): LayerPlan => ({
    name,
    entries: [{ type: 'copy', path: `podwire/${name}`, mode: 0o644, from: `${parts.distDir}/${name}` }],
  })
  const toolbox = [base, node, program('test-server.js')]
  return [
    {
      name: imageNames.pause,
      layers: [{ name: 'pause', entries: [{ type: 'copy', path: 'pause', mode: 0o755, from: `${parts.distDir}/pause` }] }],
      config: { Entrypoint: ['/pause'], WorkingDir: '/' },
    },
    { name: imageNames.toolbox, layers: toolbox, config: { Env: path, Cmd: ['node', '/podwire/test-server.js'], WorkingDir: '/' } },
    {
      name: imageNames.dns,
      layers: [...toolbox, program('dns.js')],
      config: { Env: path, Entrypoint: ['node', '/podwire/dns.js'], WorkingDir: '/' },
    },
  ]
}

/** A small userland: static busybox under all its names, the files that libc looks for, an empty /tmp. */
function busyboxLayer({ busybox, applets }: ImageParts): LayerPlan {
  return {
    name: 'busybox',
    entries: [
      { type: 'directory', path: 'tmp', mode: 0o1777 },
      { type: 'directory', path: 'root', mode: 0o700 },
      { type: 'directory', path: 'proc', mode: 0o755 },
      { type: 'directory', path: 'sys', mode: 0o755 },
      { type: 'directory', path: 'dev', mode: 0o755 },
      { type: 'directory', path: 'run', mode: 0o755 },
      { type: 'text', path: 'etc/passwd', mode: 0o644, text: passwd },
      { type: 'text', path: 'etc/group', mode: 0o644, text: group },
      { type: 'text', path: 'etc/nsswitch.conf', mode: 0o644, text: nsswitch },
      { type: 'copy', path: 'bin/busybox', mode: 0o755, from: busybox },
      ...applets
        .filter(applet => applet !== 'bin/busybox' && applet.includes('/'))
        .map((applet): LayerEntry => ({ type: 'symlink', path: applet, target: '/bin/busybox' })),
    ],
  }
}

/** Node and the libraries it is linked with, each where the loader looks for it. */
function nodeLayer({ node, libraries }: ImageParts): LayerPlan {
  return {
    name: 'node',
    entries: [
      { type: 'copy', path: 'usr/bin/node', mode: 0o755, from: node },
      ...libraries.map((library): LayerEntry => ({ type: 'copy', path: library.slice(1), mode: 0o755, from: library })),
      // Our bundles are ES modules; without this Node reads .js as CommonJS.
      { type: 'text', path: 'podwire/package.json', mode: 0o644, text: '{"type":"module"}\n' },
    ],
  }
}
