import t from 'tap'

import { fakeNftables } from '../../../src/kernel/fake-nftables.js'
import { nftablesContract } from '../../suites/nftables-contract.js'

await nftablesContract(t, fakeNftables)
