import type { CopyStep, DockerfileOrigin } from '@spawnpoint/core'
import { addressStep, type FetchedAt, isAddress, isRepository } from './add-address.ts'
import type { BuildContext } from './context.ts'
import { escaped, findSources, itself, keyed, type Pack, packOf, textEntry } from './copy.ts'
import type { Evaluated } from './evaluate.ts'
import { execForm } from './exec-form.ts'
import { at, DockerfileError } from './failure.ts'
import { pathMatcher } from './glob.ts'
import { chomped, type Heredoc, parseHeredoc } from './heredocs.ts'
import type { Instruction } from './instructions.ts'
import { packWithParents } from './parents.ts'
import { type Permissions, permissionsOf } from './permissions.ts'

/** What COPY and ADD need to know, and where they leave the archives they make. */
export interface Copies {
  context: BuildContext | null
  originOf(instruction: Instruction): DockerfileOrigin | null
  /** An earlier stage or an image by its name */
  originNamed(line: number, name: string): DockerfileOrigin
  /** A heredoc with its variables replaced */
  text(heredoc: Heredoc): string
  fetchedAt: FetchedAt
  packs: Map<string, Pack>
}

interface Asked {
  owner: string | null
  mode: Permissions | null
  parents: boolean
  /** Of what an address has, in hexadecimal */
  checksum: string | null
  excluded: (path: string) => boolean
}

export function copySteps(
  instruction: Instruction,
  word: (text: string) => string,
  copies: Copies,
): Evaluated['steps'] {
  const { line, keyword, rest, heredocs } = instruction
  const words = execForm(rest) ?? rest.split(/\s+/).filter((each) => each !== '')
  const given = words.filter((each) => heredocs.length === 0 || parseHeredoc(each) === null).map(word)
  const destination = given.pop()
  if (destination === undefined || destination === '' || given.length + heredocs.length === 0)
    throw new DockerfileError(line, `${keyword} needs a source and a destination`)
  const asked = flagsOf(instruction, word)
  if (
    !asked.parents &&
    given.length + heredocs.length > 1 &&
    !destination.endsWith('/') &&
    !['.', '..'].includes(destination)
  )
    throw new DockerfileError(line, `several sources need a destination that ends with '/'`)
  const from = copies.originOf(instruction)
  if (from !== null) {
    if (heredocs.length > 0) throw new DockerfileError(line, '--from and a heredoc do not go together')
    return given.map((source) => ({ step: fromElsewhere(line, source, destination, asked), from }))
  }
  if (asked.checksum !== null && given.some((source) => !isAddress(source)))
    throw new DockerfileError(line, '--checksum is for what is at addresses')
  const steps = keyword === 'ADD' ? given.map((source) => [source]) : [given]
  return steps
    .flatMap((sources) =>
      keyword === 'ADD' && isAddress(sources[0] ?? '')
        ? addressStep(line, sources[0] ?? '', destination, asked, copies)
        : fromContext(instruction, sources, destination, asked, copies),
    )
    .concat(fromHeredocs(heredocs, destination, asked, copies))
    .map((step) => ({ step, from: null }))
}

/** Files for the next step alone, under a name of ours: of the context, or of what `from` names. */
export function passingSteps(
  instruction: Instruction,
  source: string,
  held: string,
  from: string | null,
  copies: Copies,
): Evaluated['steps'] {
  const { line } = instruction
  const asked: Asked = { owner: null, mode: null, parents: false, checksum: null, excluded: () => false }
  const origin = from === null ? null : copies.originNamed(line, from)
  const steps =
    origin === null
      ? fromContext(instruction, [source], held, asked, copies)
      : [fromElsewhere(line, source, held, asked)]
  return steps.map((step) => ({ step: { ...step, passing: true }, from: origin }))
}

function fromElsewhere(line: number, source: string, destination: string, { owner, mode, parents }: Asked): CopyStep {
  if (parents) throw new DockerfileError(line, '--parents and --from do not go together here')
  if (mode !== null && mode.digits === null)
    throw new DockerfileError(line, '--chmod wants digits such as 755 together with --from')
  if (source.split('/').includes('..'))
    throw new DockerfileError(line, `'${source}' leads out of what it is copied from`)
  return {
    type: 'copy',
    // It is known by another name to whoever builds: see `DockerfileStep.from`.
    fromImage: 'stage',
    source: source.replace(/^\/+/, '') || '.',
    destination,
    ...ownersOf(owner),
    ...(mode?.digits == null ? {} : { mode: mode.digits }),
  }
}

function fromContext(
  { line, keyword }: Instruction,
  sources: string[],
  destination: string,
  { owner, mode, parents, excluded }: Asked,
  { context, packs }: Copies,
): CopyStep[] {
  if (sources.length === 0) return []
  if (parents) {
    const entries = at(line, () => packWithParents(context, sources, { mode, excluded }))
    const pack = keyed(entries.length > 0 ? entries : [EMPTY])
    packs.set(pack.key, pack)
    return [{ type: 'copy', blob: pack.key, source: '.', destination: `${destination}/`, user: owner ?? '0:0' }]
  }
  for (const source of sources) {
    if (isRepository(source))
      throw new DockerfileError(line, `${keyword} of Git repositories is not supported; use RUN to clone it`)
    if (/^(https?|ftp):\/\//.test(source))
      throw new DockerfileError(
        line,
        `${keyword} of ${source.slice(0, 200)}: ADD takes what is at http:// and https:// addresses`,
      )
  }
  const found = sources.flatMap((source) => at(line, () => findSources(context, source)))
  const archives = keyword === 'ADD' ? found.filter(({ packing }) => packing !== null) : []
  const unpacked = archives.map((archive): CopyStep => {
    const { packing } = archive
    const pack = itself(archive, packing === 'tar' || packing === 'gzip' ? null : packing)
    packs.set(pack.key, pack)
    return { type: 'copy', blob: pack.key, source: '.', destination: `${destination}/`, ...ownersOf(owner) }
  })
  const rest = found.filter((entry) => !archives.includes(entry))
  if (rest.length === 0) return unpacked
  const [only] = rest
  const single = rest.length === 1 && only !== undefined && only.type !== 'directory'
  const entries = at(line, () => packOf(context, rest, { mode, excluded }))
  // An empty directory is made all the same.
  const pack = keyed(single || entries.length > 0 ? entries : [EMPTY])
  packs.set(pack.key, pack)
  const step: CopyStep = {
    type: 'copy',
    blob: pack.key,
    source: single ? escaped(pack.entries[0]?.name ?? '') : '.',
    destination: single ? destination : `${destination}/`,
    user: owner ?? '0:0',
  }
  return entries.length === 0 && single ? unpacked : [...unpacked, step]
}

/** Stands for the destination itself */
const EMPTY = { name: './', type: 'directory', mode: 0o755, sizeBytes: 0, content: null } as const

function fromHeredocs(
  heredocs: readonly Heredoc[],
  destination: string,
  { owner, mode }: Asked,
  { text, packs }: Copies,
): CopyStep[] {
  return heredocs.map((heredoc) => {
    const content = heredoc.expand ? text({ ...heredoc, content: chomped(heredoc) }) : chomped(heredoc)
    const pack = keyed([textEntry(heredoc.name, content, mode)])
    packs.set(pack.key, pack)
    return { type: 'copy', blob: pack.key, source: escaped(heredoc.name), destination, user: owner ?? '0:0' }
  })
}

/** Unpacked archives keep the owners that they say. */
function ownersOf(owner: string | null): { user: string } | { keepOwners: true } {
  return owner === null ? { keepOwners: true } : { user: owner }
}

function flagsOf({ line, keyword, flags }: Instruction, word: (text: string) => string): Asked {
  let owner: string | null = null
  let mode: Permissions | null = null
  let parents = false
  let checksum: string | null = null
  const excludes: ((path: string) => boolean)[] = []
  for (const [name, value] of flags) {
    const given = word(value ?? '')
    if (name === 'chown') owner = ownerOf(line, given)
    else if (name === 'chmod') {
      mode = permissionsOf(given)
      if (mode === null)
        throw new DockerfileError(line, `--chmod wants digits such as 755, or u=rwX,go=rX, not '${given}'`)
    } else if (name === 'checksum' && keyword === 'ADD') {
      checksum = /^sha256:([0-9a-f]{64})$/i.exec(given)?.[1]?.toLowerCase() ?? null
      if (checksum === null)
        throw new DockerfileError(line, `--checksum wants sha256:HEX, not '${given.slice(0, 200)}'`)
    } else if (name === 'parents' && keyword === 'COPY') parents = given !== 'false'
    else if (name === 'exclude') excludes.push(at(line, () => pathMatcher(given.replace(/^\.?\//, ''))))
    else if (!(name === 'link' || (name === 'from' && keyword === 'COPY')))
      throw new DockerfileError(line, `${keyword} --${name} is not supported`)
  }
  return { owner, mode, parents, checksum, excluded: (path) => excludes.some((matches) => matches(path)) }
}

/** A number without a group is its group, too. */
function ownerOf(line: number, given: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/.test(given))
    throw new DockerfileError(line, `--chown wants USER[:GROUP], not '${given}'`)
  return /^\d+$/.test(given) ? `${given}:${given}` : given
}
