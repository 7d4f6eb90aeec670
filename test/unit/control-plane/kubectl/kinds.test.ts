import { testSession } from '../../../support/kubectl-session.js'

await testSession('kinds')
