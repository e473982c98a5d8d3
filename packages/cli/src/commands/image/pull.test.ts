import { describe, expect, test } from 'vitest'
import { formatBar } from './progress.ts'
import { nameOf, tagOf } from './pull.ts'

describe('the name that a pulled image gets', () => {
  test.each([
    ['alpine', 'alpine', null],
    ['docker://alpine:3.20', 'alpine', '3.20'],
    ['ghcr.io/team/python:3.13-slim', 'python', '3.13-slim'],
    ['localhost:5000/app', 'app', null],
    [`quay.io/a/b:v1@sha256:${'0'.repeat(64)}`, 'b', 'v1'],
    [`a@sha256:${'0'.repeat(64)}`, 'a', null],
    ['oci:layout:v1', 'layout', null],
    ['oci-archive:app.tar.gz', 'app', null],
    ['docker-archive:app.tar:team/app:1', 'app', null],
  ])('%s', (reference, name, tag) => {
    expect(nameOf(reference)).toBe(name)
    expect(tagOf(reference)).toBe(tag)
  })

  test.each(['', 'a/', 'oci:Upper', 'a/B'])('cannot be made of %j', (reference) => {
    expect(() => nameOf(reference)).toThrow('--name')
  })
})

test('a bar', () => {
  expect(formatBar(0, 10)).toBe('[>         ]   0 %')
  expect(formatBar(0.589, 10)).toBe('[=====>    ]  58 %')
  expect(formatBar(0.999, 10)).toBe('[=========>]  99 %')
  expect(formatBar(1, 10)).toBe('[==========] 100 %')
  expect(formatBar(7, 10)).toBe('[==========] 100 %')
})
