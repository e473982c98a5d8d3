const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/

export function imageNameError(name: string): string | null {
  if (NAME.test(name)) return null
  return 'Use lowercase letters, digits, ".", "_" and "-", beginning with a letter or digit; at most 64'
}

/** The last part of a reference, without its tag: `ghcr.io/team/tool:1` to `tool`. */
export function nameFor(reference: string): string {
  const last = reference.trim().split('/').at(-1) ?? ''
  const [name = ''] = last.replace(/^(oci|oci-archive|docker-archive):/, '').split(/[:@]/)
  return name.toLowerCase()
}
