export * from './confined.ts'
