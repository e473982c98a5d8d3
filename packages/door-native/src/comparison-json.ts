import type { Census, ComparedFile, Comparison, FileChange, TextComparison, TreeSearchResult } from '@spawnpoint/core'
import type { z } from 'zod'
import type * as schemas from './schemas/index.ts'
import { fileJson, modeText } from './translate.ts'

type Json<S extends z.ZodType> = z.output<S>

function comparedJson(file: ComparedFile | null): Json<typeof schemas.comparedFile> | null {
  return file === null ? null : { ...file, mode: modeText(file.mode), modifiedAt: file.modifiedAt.toISOString() }
}

function changeJson({ path, before, after, differs }: FileChange): Json<typeof schemas.fileChange> {
  return { path, before: comparedJson(before), after: comparedJson(after), differs }
}

function processJson({ pid, parentPid, user, command, memoryBytes }: Census['processes'][number]) {
  return { pid, parentPid, user, command, memoryBytes }
}

export function comparisonJson(comparison: Comparison): Json<typeof schemas.comparison> {
  const { before, after, files, processes, ports, memory } = comparison
  return {
    before: { ...before, at: before.at.toISOString() },
    after: { ...after, at: after.at.toISOString() },
    files: {
      ...files,
      added: files.added.map(changeJson),
      removed: files.removed.map(changeJson),
      changed: files.changed.map(changeJson),
    },
    processes: processes && { started: processes.started.map(processJson), ended: processes.ended.map(processJson) },
    ports,
    memory,
  }
}

export function textComparisonJson(comparison: TextComparison): Json<typeof schemas.textComparison> {
  return { ...comparison, before: comparedJson(comparison.before), after: comparedJson(comparison.after) }
}

export function censusJson({ at, processes, ports, truncated }: Census): Json<typeof schemas.census> {
  return { at: at.toISOString(), processes: processes.map(processJson), ports, truncated }
}

export function matchesJson({ matches, incomplete }: TreeSearchResult): Json<typeof schemas.fileMatches> {
  return { items: matches.map(({ file, line, text }) => ({ file: fileJson(file), line, text })), incomplete }
}
