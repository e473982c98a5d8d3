export type { CommandOptions, CommandResult } from './command.ts'
export { runCommand, useLauncher } from './launcher.ts'
