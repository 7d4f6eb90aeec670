import t from 'tap'

import { createFakeRtnetlink } from '../../../src/kernel/fake-rtnetlink.js'
import { rtnetlinkContract } from '../../suites/rtnetlink.js'

await rtnetlinkContract(t, createFakeRtnetlink)
