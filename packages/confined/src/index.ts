export * from './confined.ts'
export { unpacked } from './unpacked.ts'
