export { controlUrl, isControlRequest, MOUNTS } from './control-url.ts'
export { type Dialect, E2B, NOVITA } from './dialect.ts'
export { type ControlDoorOptions, refuseControl, registerE2bControl } from './door.ts'
