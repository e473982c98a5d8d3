import type { Principal, Snapshot, SpawnpointApi } from '@spawnpoint/core'
import { everyPage, optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { ENVD_VERSION } from '../../version.ts'
import { buildUuid } from '../ids.ts'
import { resourcesJson } from '../resources.ts'
import { listTemplates, templateJson } from '../template-list.ts'

/** By these the call is told from E2B's of the same path, whose answer has another shape. */
export const novitaTemplateQuery = z.object({
  template_type: z.enum(['template_build', 'snapshot_template']),
  page: optional(z.coerce.number().int().min(1)),
  limit: optional(z.coerce.number().int().min(1).max(100)),
})

const LIMIT = 20

export async function novitaTemplatePage(
  api: SpawnpointApi,
  by: Principal,
  query: z.output<typeof novitaTemplateQuery>,
) {
  const { page = 1, limit = LIMIT, template_type: templateType } = query
  const all = templateType === 'template_build' ? await built(api, by) : await snapshots(api, by)
  const templates = await Promise.all(all.slice((page - 1) * limit, page * limit).map((json) => json()))
  return {
    status: 200,
    body: {
      templates: templates.map((template) => ({ ...template, templateType })),
      total: all.length,
      page,
      limit,
      totalPages: Math.ceil(all.length / limit),
    },
  }
}

async function built(api: SpawnpointApi, by: Principal): Promise<(() => Promise<object>)[]> {
  const { name: team } = await api.keys.team(by)
  return (await listTemplates(api, by)).map((template) => async () => templateJson(api, team, template))
}

async function snapshots(api: SpawnpointApi, by: Principal): Promise<(() => Promise<object>)[]> {
  const found = await everyPage((page) => api.snapshots.list(by, { states: ['ready'] }, page))
  return found.map((snapshot) => () => snapshotTemplateJson(api, by, snapshot))
}

/** A snapshot as a template of one build. */
export async function snapshotTemplateJson(api: SpawnpointApi, by: Principal, snapshot: Snapshot) {
  const { id, name, resources, createdAt, readyAt } = snapshot
  const { name: team } = await api.keys.team(by)
  return {
    templateID: id,
    templateType: 'snapshot_template',
    buildID: buildUuid(id),
    buildStatus: 'ready',
    buildCount: 1,
    public: false,
    aliases: name === null ? [] : [name],
    names: name === null ? [] : [`${team}/${name}`],
    ...resourcesJson(api, resources),
    createdAt: createdAt.toISOString(),
    updatedAt: (readyAt ?? createdAt).toISOString(),
    createdBy: null,
    lastSpawnedAt: null,
    spawnCount: 0,
    envdVersion: ENVD_VERSION,
  }
}

/** The same as a template is shown by itself. */
export async function snapshotWithBuildJson(api: SpawnpointApi, by: Principal, snapshot: Snapshot) {
  const shown = await snapshotTemplateJson(api, by, snapshot)
  const { buildID, buildStatus: status, createdAt, updatedAt, envdVersion, cpuCount, memoryMB, diskSizeMB } = shown
  const build = {
    buildID,
    status,
    createdAt,
    updatedAt,
    finishedAt: updatedAt,
    envdVersion,
    cpuCount,
    memoryMB,
    diskSizeMB,
  }
  return { ...shown, builds: [build] }
}
