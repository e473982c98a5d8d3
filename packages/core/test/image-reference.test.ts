import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatImageReference, parseImageReference } from '../src/image-reference.ts'

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`
const registry = (host: string, repository: string, tag: string | null, digest: string | null = null) => ({
  transport: 'registry',
  registry: host,
  repository,
  tag,
  digest,
})

describe('the name of an image', () => {
  it.each([
    ['alpine', registry('docker.io', 'library/alpine', 'latest')],
    ['alpine:3.20', registry('docker.io', 'library/alpine', '3.20')],
    ['grafana/grafana', registry('docker.io', 'grafana/grafana', 'latest')],
    ['docker.io/alpine', registry('docker.io', 'library/alpine', 'latest')],
    ['index.docker.io/library/alpine', registry('docker.io', 'library/alpine', 'latest')],
    ['docker://ghcr.io/a/b_c/d-e:v1.2-x', registry('ghcr.io', 'a/b_c/d-e', 'v1.2-x')],
    ['localhost/a', registry('localhost', 'a', 'latest')],
    ['localhost:5000/a:b', registry('localhost:5000', 'a', 'b')],
    ['127.0.0.1:5000/a', registry('127.0.0.1:5000', 'a', 'latest')],
    ['[::1]:5000/a', registry('[::1]:5000', 'a', 'latest')],
    [`a/b@${DIGEST}`, registry('docker.io', 'a/b', null, DIGEST)],
    [`quay.io/a:t@${DIGEST}`, registry('quay.io', 'a', 't', DIGEST)],
    ['oci:layout', { transport: 'oci', name: 'layout', select: null }],
    ['oci:layout:v1', { transport: 'oci', name: 'layout', select: 'v1' }],
    ['oci-archive:a.tar:1', { transport: 'oci-archive', name: 'a.tar', select: '1' }],
    ['docker-archive:a.tar:team/app:1', { transport: 'docker-archive', name: 'a.tar', select: 'team/app:1' }],
  ])('%s', (text, reference) => {
    expect(parseImageReference(text)).toEqual(reference)
    expect(parseImageReference(formatImageReference(parseImageReference(text)))).toEqual(reference)
  })

  it.each([
    '',
    'Upper/Case',
    'a//b',
    '/a',
    'a/',
    'a:',
    'a:b:c',
    'a@sha256:short',
    `a@${DIGEST}@${DIGEST}`,
    `a@sha512:${'0'.repeat(128)}`,
    'user@host/a',
    'host:port/a',
    'http://host/a',
    'a b',
    '-a',
    'a..b',
    '../a',
    'a/../b',
    'a?b',
    'a#b',
    'a%2fb',
    `a:${'t'.repeat(129)}`,
    'x'.repeat(600),
    'oci:../a',
    'oci:/etc/passwd',
    'oci:.hidden',
    'oci:-option',
    'oci:a:b:c',
    'oci:a:b c',
    'docker-archive:a.tar:Upper',
    'dir:a:b',
    'a\n',
  ])('cannot be %j', (text) => {
    expect(() => parseImageReference(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })

  it('is refused or read, whatever it is, and never as something that could be an option or a path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 60 }), (text) => {
        try {
          const reference = parseImageReference(text)
          const said = reference.transport === 'registry' ? reference.repository : reference.name
          expect(said).toMatch(/^[A-Za-z0-9]/)
          expect(said).not.toContain('/../')
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_argument' })
        }
      }),
    )
  })
})
