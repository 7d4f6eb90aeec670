import { runPlugin } from '../src/cni/run-plugin.js'

process.exitCode = await runPlugin(process)
