export { type NativeDoorOptions, registerNativeDoor } from './door.ts'
export { type ProxyOptions, proxyHttp, proxyUpgrade } from './port-proxy.ts'
export { type Problem, problemOf } from './problem.ts'
export { createNativeUpgradeHandler, type NativeUpgradeHandler } from './upgrade.ts'
