import t from 'tap'

import { createFakeIpvs } from '../../../src/kernel/fake-ipvs.js'
import { ipvsContract } from '../../suites/ipvs-contract.js'

await ipvsContract(t, createFakeIpvs)
