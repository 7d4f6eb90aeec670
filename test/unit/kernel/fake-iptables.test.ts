import t from 'tap'

import { fakeIptables } from '../../../src/kernel/fake-iptables.js'
import { iptablesContract } from '../../suites/iptables-contract.js'

await iptablesContract(t, fakeIptables)
