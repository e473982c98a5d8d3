export { type ControlDoorOptions, registerE2bControl } from './control/index.ts'
