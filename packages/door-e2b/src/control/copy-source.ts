const WILD = /[*?{}[\]]|[!@+]\(/

/**
 * What of an archive a copy takes. The client has applied patterns already, and the archive has nothing but what matched:
 * of a pattern the directory is left that all of it is below, which keeps the directories between.
 */
export function copySource(source: string): string {
  const segments = source.split('/')
  const wild = segments.findIndex((segment) => WILD.test(segment.replaceAll(/\\./g, '')))
  if (wild < 0) return source
  return segments.slice(0, wild).join('/') || '.'
}
