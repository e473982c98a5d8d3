import type { Env, ImageDefaults, Labels } from '@spawnpoint/core'
import { type JsonObject, object, text, texts } from './json.ts'

/** As in the core's limits: what an image brings beyond them is left out, so that sandboxes of it can be made at all. */
const MAX_ENV = 256
const MAX_ENV_CHARS = 32 * 1024
const MAX_ARGUMENTS = 1_024
const MAX_LABELS = 64

/** What a sandbox made from the image starts with, from the config's `config`. */
export function defaultsFrom(image: JsonObject): Partial<ImageDefaults> {
  const config = object(image.config) ?? {}
  const workdir = text(config.WorkingDir) || '/'
  const entrypoint = argumentsFrom(texts(config.Entrypoint) ?? [])
  return {
    env: envFrom(texts(config.Env) ?? []),
    user: userFrom(text(config.User) ?? ''),
    workdir: clean(workdir.startsWith('/') ? workdir : `/${workdir}`),
    startCommand: argumentsFrom([...entrypoint, ...(texts(config.Cmd) ?? [])]),
    ...(entrypoint.length > 0 ? { entrypoint } : {}),
    exposedPorts: portsFrom(object(config.ExposedPorts) ?? {}),
  }
}

function argumentsFrom(given: string[]): string[] {
  return given.slice(0, MAX_ARGUMENTS).map((argument) => argument.replaceAll('\0', ''))
}

export function labelsFrom(image: JsonObject): Labels {
  const entries = Object.entries(object(object(image.config)?.Labels) ?? {})
  const fit = entries.filter((entry): entry is [string, string] => {
    const [key, value] = entry
    return typeof value === 'string' && isClean(key) && isClean(value) && key.length <= 128 && value.length <= 1_024
  })
  return Object.fromEntries(fit.filter(([key]) => key !== '').slice(0, MAX_LABELS))
}

function envFrom(lines: string[]): Env {
  const pairs = lines.flatMap((line) => {
    const at = line.indexOf('=')
    const [name, value] = at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
    return /^[^=\0]{1,256}$/.test(name) && value.length <= MAX_ENV_CHARS && !value.includes('\0') ? [[name, value]] : []
  })
  return Object.fromEntries(pairs.slice(0, MAX_ENV))
}

/** A name, `uid`, or either with a group; empty means root. */
function userFrom(user: string): string {
  return clean(user).slice(0, 256) || 'root'
}

/** TCP only: nothing else is reached through this server. */
function portsFrom(exposed: JsonObject): number[] {
  const ports = Object.keys(exposed).flatMap((entry) => {
    const [, port = ''] = /^(\d{1,5})(?:\/tcp)?$/i.exec(entry) ?? []
    return port !== '' && Number(port) >= 1 && Number(port) <= 65_535 ? [Number(port)] : []
  })
  return [...new Set(ports)].sort((a, b) => a - b)
}

function clean(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return value.replace(/[\u0000-\u001f\u007f]/g, '').slice(0, 4_096)
}

function isClean(value: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return !/[\u0000-\u001f\u007f]/.test(value) && value.isWellFormed()
}
