import { afterAll, beforeAll } from 'vitest'
import { openWorld, world } from './auth-proxy/world.ts'
import './auth-proxy/rules.ts'
import './auth-proxy/rewrites.ts'
import './auth-proxy/providers.ts'
import './auth-proxy/clouds.ts'

beforeAll(openWorld)
afterAll(() => world?.[Symbol.asyncDispose]())
