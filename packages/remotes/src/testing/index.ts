export { type Answer, GitServer } from './git-server.ts'
