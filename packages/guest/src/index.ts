export { type DialledGuest, dialGuest, type OpenedGuest, type OpenGuestOptions, openGuest } from './open-guest.ts'
export type { Timeouts } from './session.ts'
