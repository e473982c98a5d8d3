import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readdirSync } from 'node:fs'
import { findByArgument } from '../host-process.ts'
import { linkPrefix, namespacePrefix, tableName } from '../network/addresses.ts'
import { readText } from './world.ts'

/** Everything on the host that belongs to the server with this number and state directory, by its names. */
export function tracesOf(server: number, stateDir: string): string[] {
  const tables = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n')
  return [
    ...findByArgument(stateDir).map(({ pid }) => `process ${pid}`),
    ...readdirSync('/sys/class/net').filter((name) => name.startsWith(linkPrefix(server))),
    ...(existsSync('/run/netns') ? readdirSync('/run/netns') : []).filter((name) =>
      name.startsWith(namespacePrefix(server)),
    ),
    ...tables.filter((line) => line.endsWith(` ${tableName(server)}`)),
    ...globSync(`/sys/fs/cgroup/{*/,}spawnpoint/${server}{,/*/}`),
    ...readText('/proc/self/mounts')
      .split('\n')
      .filter((line) => line.includes(stateDir) || line.includes(`/run/netns/${namespacePrefix(server)}`)),
    ...globSync(`${stateDir}{,/**}`),
    ...globSync(`/run/spawnpoint/${server}.json`).filter((file) => readText(file).includes(stateDir)),
  ]
}
