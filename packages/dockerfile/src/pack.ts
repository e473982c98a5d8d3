/** What packs a context: for clients, so nothing of the core is behind it. */
export { type Ignored, ignoring } from './ignore.ts'
export { TAR_END, type TarEntry, tarHeader, tarPadding } from './tar-entry.ts'
