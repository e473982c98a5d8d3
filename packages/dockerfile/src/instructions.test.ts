import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseInstructions } from './instructions.ts'

const rests = (text: string) => parseInstructions(text).instructions.map(({ keyword, rest }) => `${keyword} ${rest}`)

describe('instructions', () => {
  it.each([
    ['on a line each', 'FROM a\nrun b\n', ['FROM a', 'RUN b']],
    ['with comments and empty lines between', '# one\n\nFROM a\n  # two\nRUN b', ['FROM a', 'RUN b']],
    ['continued', 'RUN a \\\n  && b', ['RUN a   && b']],
    ['continued over comments and empty lines', 'RUN a \\\n# no\n  # no\n\n  && b # yes', ['RUN a   && b # yes']],
    ['continued with spaces after the escape', 'RUN a \\  \n b', ['RUN a  b']],
    ['that end with an escaped escape', 'RUN a \\\\\nRUN b', ['RUN a \\\\', 'RUN b']],
    ['with another escape', '# escape=`\nRUN a `\n b \\\nRUN c', ['RUN a  b \\', 'RUN c']],
    ['with directives before it', '# syntax=docker/dockerfile:1\n# escape=`\nRUN a `\nb', ['RUN a b']],
    ['where a comment ends the directives', '# hello\n# escape=`\nRUN a `\nRUN b', ['RUN a `', 'RUN b']],
    ['with a byte order mark and CRLF', '\uFEFFFROM a\r\nRUN b \\\r\n c\r\n', ['FROM a', 'RUN b  c']],
    ['at the end of the file', 'RUN a \\', ['RUN a ']],
  ])('are read %s', (_, text, expected) => {
    expect(rests(text).map((rest) => rest.trimEnd())).toEqual(expected.map((rest) => rest.trimEnd()))
  })

  it('know their lines', () => {
    const { instructions } = parseInstructions('# c\nFROM a\n\nRUN b \\\n\n c\nRUN <<E\nx\nE\nRUN d')
    expect(instructions.map(({ line, endLine }) => [line, endLine])).toEqual([
      [2, 2],
      [4, 6],
      [7, 9],
      [10, 10],
    ])
  })

  it('have flags', () => {
    const [copy, run] = parseInstructions(
      'COPY --chown=a:b --link --chmod=755 x --y z\nRUN --mount=type=cache,target="/a b" c',
    ).instructions
    expect(copy).toMatchObject({
      flags: [
        ['chown', 'a:b'],
        ['link', null],
        ['chmod', '755'],
      ],
      rest: 'x --y z',
    })
    expect(run).toMatchObject({ flags: [['mount', 'type=cache,target="/a b"']], rest: 'c' })
  })

  it('have heredocs', () => {
    const text = [
      "COPY <<EOF <<-'RAW' /x/",
      '# one $A',
      'EOF',
      '\ttwo',
      '\tRAW',
      'RUN cat <<A - > /b \\',
      ' && true',
      'in',
      'A',
      'RUN echo "<<NOT" <<<no',
      'ENV A=<<EOF',
    ].join('\n')
    const [copy, run, echo, env] = parseInstructions(text).instructions
    expect(copy?.heredocs).toEqual([
      { name: 'EOF', expand: true, chomp: false, content: '# one $A\n' },
      { name: 'RAW', expand: false, chomp: true, content: '\ttwo\n' },
    ])
    expect(run).toMatchObject({ rest: 'cat <<A - > /b  && true', heredocs: [{ name: 'A', content: 'in\n' }] })
    expect([echo?.heredocs, env?.heredocs]).toEqual([[], []])
  })

  it.each([
    ['a heredoc without an end', 'FROM a\nRUN <<E\nx\n', 2, /does not end/],
    ['no instruction', 'FROM a\n{}\n', 2, /unknown instruction/],
    ['another escape than there are', '# escape=x\nFROM a', 1, /escape is/],
  ])('refuse %s', (_, text, line, message) => {
    expect(() => parseInstructions(text)).toThrow(
      expect.objectContaining({ line, message: expect.stringMatching(message) }),
    )
  })

  it('are as many as there are, however they are broken up', () => {
    const word = fc.stringMatching(/^[a-z./$=&|][a-z./$=&|-]{0,7}$/)
    const file = fc.array(fc.array(word, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 8 })
    const gap = fc.constantFrom(' ', ' \\\n', ' \\\n# comment\n', '\\\n\n ', ' \\ \n')
    fc.assert(
      fc.property(file, fc.infiniteStream(gap), (lines, gaps) => {
        const text = lines.map((words) => `RUN ${words.reduce((all, each) => all + (gaps.next().value ?? ' ') + each)}`)
        const read = parseInstructions(text.join('\n')).instructions.map(({ rest }) => rest.replace(/\s+/g, ''))
        expect(read).toEqual(lines.map((words) => words.join('')))
      }),
    )
  })
})
