import type { ToolAnnotations } from '@modelcontextprotocol/server'
import type { Principal, SpawnpointApi } from '@spawnpoint/core'
import type { z } from 'zod'

/** Who calls a tool, and until when anybody waits for it. */
export interface ToolCall {
  api: SpawnpointApi
  by: Principal
  /** Aborts when the client cancels the call or goes away */
  signal: AbortSignal
}

export interface Tool {
  name: string
  /** For a model, which reads all of them with every task: one to three sentences */
  description: string
  input: z.ZodObject
  annotations: ToolAnnotations
  /** JSON that says what was done, or text as it is. `input` has been checked against the schema. */
  run(input: unknown, call: ToolCall): Promise<unknown>
}

/** Ties the types of a tool's input to its schema. */
export function tool<Input extends z.ZodObject>(definition: {
  name: string
  description: string
  input: Input
  annotations: ToolAnnotations
  run(input: z.output<Input>, call: ToolCall): Promise<unknown>
}): Tool {
  const { input, run } = definition
  return { ...definition, run: (value, call) => run(input.parse(value), call) }
}

export const READS: ToolAnnotations = { readOnlyHint: true, openWorldHint: false }
export const MAKES: ToolAnnotations = { readOnlyHint: false, destructiveHint: false, openWorldHint: false }
export const DESTROYS: ToolAnnotations = { readOnlyHint: false, destructiveHint: true, openWorldHint: false }
/** Programs do as they like, also over the network */
export const RUNS: ToolAnnotations = { readOnlyHint: false, destructiveHint: true, openWorldHint: true }
