import type { CommandOptions, CommandResult } from './command.ts'

/** What the launcher is told. */
export type Order =
  | {
      do: 'run'
      id: number
      program: string
      args: readonly string[]
      options: Omit<CommandOptions, 'signal'>
    }
  | { do: 'stop'; id: number }

/** What the launcher says of an order: that it has begun, and then how it ended. */
export type Answer =
  | { id: number; pid: number }
  | { id: number; result: CommandResult }
  | { id: number; error: { message: string; code: string | undefined } }
