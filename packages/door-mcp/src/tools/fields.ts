import { z } from 'zod'

export const sandboxRef = z.string().min(1).max(200).describe('Id or name of the sandbox')
export const snapshotRef = z.string().min(1).max(200).describe('Id or name of the snapshot; a name means the latest')
export const path = z.string().min(1).max(4096)

export const PAGE = 50
export const after = z.string().max(500).optional().describe('`next` of the answer before, for more')

export const iso = (date: Date | null) => date?.toISOString() ?? null
