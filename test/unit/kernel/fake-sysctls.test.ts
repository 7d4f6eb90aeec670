import t from 'tap'

import { createFakeSysctls } from '../../../src/kernel/fake-sysctls.js'
import { sysctlsContract } from '../../suites/sysctls-contract.js'

await sysctlsContract(t, () => createFakeSysctls({ 'net/ipv4/ip_forward': '0' }))
