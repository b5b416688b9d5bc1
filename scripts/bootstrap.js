// The first half of `npm start`: everything that a fresh machine lacks. A second run takes a moment.
import {
  buildPackages,
  ensureNodeModules,
  ensurePackages,
  isRoot,
  missingPackages,
  root,
  run,
  runPackages,
  say,
} from './machine.js'

const needed = [...buildPackages, ...runPackages]
const missing = missingPackages(needed)
if (missing.length > 0 && isRoot)
  say(`this machine lacks ${missing.length} packages; they are installed now: ${missing.join(' ')}`)
ensurePackages(needed, 'building and running the gateway')
ensureNodeModules()
run(process.execPath, [`${root}/scripts/build-native.js`])
