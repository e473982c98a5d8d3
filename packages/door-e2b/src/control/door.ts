import type { SpawnpointApi } from '@spawnpoint/core'
import type { FastifyInstance } from 'fastify'
import type { Log } from '../log.ts'
import type { Dialect } from './dialect.ts'

export interface ControlDoorOptions {
  api: SpawnpointApi
  log: Log
  dialect: Dialect
  /** Path it is mounted at */
  prefix: string
}

/** Adds the control plane that the clients of E2B and Novita speak. */
export async function registerE2bControl(_fastify: FastifyInstance, _options: ControlDoorOptions): Promise<void> {}
