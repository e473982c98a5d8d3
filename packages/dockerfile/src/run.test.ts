// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { describe, expect, it } from 'vitest'
import { lines, read } from './testing/read.ts'

describe('RUN', () => {
  it.each([
    ['as a JSON array needs no shell', 'RUN ["a", "b c"]', ['a', 'b c']],
    ['as text is for the shell', 'RUN a \\\n  && b', ['/bin/sh', '-c', 'a   && b']],
    ['with a script', 'RUN <<EOF\na $B\nc\nEOF', ['/bin/sh', '-c', 'a $B\nc\n']],
    ['with a script that is indented', 'RUN <<-EOF\n\ta\n\tEOF', ['/bin/sh', '-c', 'a\n']],
    ['with a program and its input', 'RUN cat <<EOF > /x\na\nEOF', ['/bin/sh', '-c', 'cat <<EOF > /x\na\nEOF\n']],
  ])('%s', async (_, text, args) => {
    const { steps } = await read(lines(text))
    expect(steps).toEqual([expect.objectContaining({ type: 'run', args })])
  })

  it('with a script of another language is run by that', async () => {
    const { steps } = await read(lines('RUN <<EOF', '#!/usr/bin/python3', 'print(1)', 'EOF'))
    expect(steps[0]).toMatchObject({ args: ['/bin/sh', '-c', expect.any(String), '#!/usr/bin/python3\nprint(1)\n'] })
  })
})

describe('CMD and ENTRYPOINT', () => {
  it.each([
    ['are the image’s', [], ['/init', 'serve']],
    ['CMD alone stands after its entrypoint', ['CMD ["a"]'], ['/init', 'a']],
    ['ENTRYPOINT alone takes its command away', ['ENTRYPOINT ["e"]'], ['e']],
    ['both in either order', ['CMD ["a"]', 'ENTRYPOINT ["e"]'], ['e', 'a']],
    ['the last of each counts', ['CMD ["a"]', 'CMD ["b"]'], ['/init', 'b']],
    ['as text are for the shell', ['ENTRYPOINT exec $X', 'CMD []'], ['/bin/sh', '-c', 'exec $X']],
    ['that SHELL names', ['SHELL ["/bin/bash", "-c"]', 'ENTRYPOINT []', 'CMD a b'], ['/bin/bash', '-c', 'a b']],
    ['that is no JSON after all', ['ENTRYPOINT []', "CMD ['a']"], ['/bin/sh', '-c', "['a']"]],
  ])('%s', async (_, text, startCommand) => {
    const { plan } = await read(lines(...text))
    expect(plan.start).toMatchObject({ startCommand })
  })
})

it('directories for one step are its own, by the names that it gives them', async () => {
  const mounts = [
    '--mount=type=cache,target=/root/.cache,sharing=locked',
    '--mount=type=cache,id=$NAME,dst=work,mode=1777,uid=7',
    '--mount=target=/t,type=tmpfs,size=1000',
  ]
  const { plan } = await read(lines('ARG NAME=mine', `RUN ${mounts.join(' ')} make`))
  expect(plan.stages.at(-1)?.steps.at(-1)?.step).toMatchObject({
    args: ['/bin/sh', '-c', 'make'],
    mounts: [
      { target: '/root/.cache', cache: '/root/.cache' },
      { target: 'work', cache: 'mine', mode: 0o1777, owner: '7:0' },
      { target: '/t', cache: null },
    ],
  })
  expect(plan.warnings).toEqual([])
})

it('files for one step come before it, out of the context, a stage or an image, and leave no layer', async () => {
  const text = `FROM base AS build
FROM build AS unused
FROM base
RUN --mount=target=/src,source=dir --mount=type=bind,from=build,source=/out/app,target=/app,rw --mount=from=other:v1,target=/all true
`
  const { plan, build } = await read(text, [{ name: 'dir/a', data: '1' }])
  expect(build.images.map(({ name }) => name)).toEqual(['base', 'other:v1'])
  expect(plan.stages.map(({ title }) => title)).toEqual(['FROM base AS build', 'FROM base'])
  const steps = plan.stages.at(-1)?.steps ?? []
  expect(steps.map(({ from }) => from)).toEqual([null, { stage: 0 }, { image: 'other:v1' }, null])
  expect(new Set(steps.map(({ label }) => label))).toEqual(new Set(['[stage-2 2/2]']))
  const held = [0, 1, 2].map((n) => `/.spawnpoint-mount-${n}`)
  expect(steps.map(({ step }) => step)).toMatchObject([
    { type: 'copy', passing: true, destination: `${held[0]}/`, user: '0:0' },
    { type: 'copy', passing: true, source: 'out/app', destination: held[1], keepOwners: true },
    { type: 'copy', passing: true, source: '.', destination: held[2], keepOwners: true },
    {
      type: 'run',
      mounts: [
        { target: '/src', cache: null, held: held[0] },
        { target: '/app', cache: null, held: held[1] },
        { target: '/all', cache: null, held: held[2] },
      ],
    },
  ])
})

it('secrets are asked for by their ids', async () => {
  const mounts = [
    '--mount=type=secret,id=token',
    '--mount=type=secret,target=/root/.npmrc,required,uid=7,mode=0440',
    '--mount=type=secret,id=key,env=KEY,required=false',
  ]
  const { plan } = await read(lines(`RUN ${mounts.join(' ')} make`))
  expect(plan.stages.at(-1)?.steps.at(-1)?.step).toMatchObject({
    secrets: [
      { id: 'token', required: false, target: '/run/secrets/token', env: null, mode: 0o400, owner: '0:0' },
      { id: '.npmrc', required: true, target: '/root/.npmrc', env: null, mode: 0o440, owner: '7:0' },
      { id: 'key', required: false, target: null, env: 'KEY' },
    ],
  })
})
