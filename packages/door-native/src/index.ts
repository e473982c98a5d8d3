export { type NativeDoorOptions, registerNativeDoor } from './door.ts'
export { type Problem, problemOf } from './problem.ts'
export { createNativeUpgradeHandler, type NativeUpgradeHandler } from './upgrade.ts'
