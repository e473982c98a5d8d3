export { type ControlDoorOptions, registerE2bControl } from './door.ts'
