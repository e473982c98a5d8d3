export { type NativeDoorOptions, registerNativeDoor } from './door.ts'
export { INGRESS_TOKEN_HEADER, showsIngressToken } from './ingress-token.ts'
export { type Problem, problemOf } from './problem.ts'
export { createNativeUpgradeHandler } from './upgrade.ts'
