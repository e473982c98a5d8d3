export { holdActive, holdActiveWhileOpen } from './active.ts'
export type { Address, RoutingHeaders } from './address.ts'
export {
  type Admission,
  type Finder,
  Gateway,
  type GatewayOptions,
  type GatewayService,
  type ServiceCall,
} from './gateway.ts'
export { type ProxyOptions, proxyHttp, proxyUpgrade } from './port-proxy.ts'
export { refuseUpgrade } from './refusal.ts'
export { type UpgradeHandler, upgradeHandler } from './upgrade-handler.ts'
