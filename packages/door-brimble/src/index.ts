export { BRIMBLE_PREFIX, type BrimbleDoorOptions, refuseBrimble, registerBrimbleDoor } from './door.ts'
