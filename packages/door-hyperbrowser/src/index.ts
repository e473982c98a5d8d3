export {
  HYPERBROWSER_PREFIX,
  type HyperbrowserDoor,
  openHyperbrowserDoor,
  RUNTIME_PREFIX,
  refuseHyperbrowser,
} from './door.ts'
export { BROWSER_COOKIE, BROWSER_PATH, browserSession, runtimeTokenAllows } from './exposed-ports.ts'
export { runtimeUrl } from './runtime-address.ts'
