import t from 'tap'

import { createFakeRtnetlink } from '../../../src/kernel/fake-rtnetlink.js'
import { dummyContract, rtnetlinkContract } from '../../suites/rtnetlink.js'

await rtnetlinkContract(t, createFakeRtnetlink)
await dummyContract(t, createFakeRtnetlink)
