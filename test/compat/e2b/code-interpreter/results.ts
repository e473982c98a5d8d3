import { describe, expect, it } from 'vitest'
import { sandbox } from './shared.ts'

/** What it comes to, in every form. */
export function resultTests(): void {
  describe('results', () => {
    it('gives results in every form that they have', async () => {
      const { results } = await sandbox.runCode(`
from IPython.display import display, HTML, Markdown, JSON, SVG, Latex, Javascript
for one in (HTML('<b>h</b>'), Markdown('*m*'), JSON({'a': [1]}), SVG('<svg xmlns="http://www.w3.org/2000/svg"/>'), Latex('$l$'), Javascript('j')):
    display(one)
import pandas
pandas.DataFrame({'n': [1, 2]})
`)
      expect(results.map((one) => one.formats())).toEqual([
        ['html'],
        ['markdown'],
        ['json'],
        ['svg'],
        ['latex'],
        ['javascript'],
        ['html', 'data'],
      ])
      expect(results[0]?.html).toBe('<b>h</b>')
      expect(results[2]?.json).toEqual({ a: [1] })
      expect(results.at(-1)).toMatchObject({ isMainResult: true, text: '   n\n0  1\n1  2' })
      expect(results.filter((one) => one.isMainResult)).toHaveLength(1)
    })

    it('draws', async () => {
      const { results, error } = await sandbox.runCode(`
import numpy, matplotlib.pyplot as plt
plt.plot(numpy.arange(10) ** 2)
plt.show()
`)
      expect(error).toBeUndefined()
      const png = Buffer.from(results[0]?.png ?? '', 'base64')
      expect(png.subarray(1, 4).toString()).toBe('PNG')
      expect(png.length).toBeGreaterThan(5_000)
    })

    it('gives tables as data and charts as what they show', async () => {
      const { results, error } = await sandbox.runCode(CHARTS)
      expect(error).toBeUndefined()
      const [table, line, bars, pie, boxes, several] = results
      expect(table?.data).toEqual({ n: [1, null], at: ['2026-01-02T00:00:00', null], s: ['a', 'b'] })
      expect(line?.chart).toMatchObject({
        type: 'line',
        title: 'Lines',
        x_label: 'Time (s)',
        x_unit: 's',
        y_label: null,
        x_scale: 'linear',
        y_scale: 'log',
        elements: [
          {
            label: 'squares',
            points: [
              [1, 1],
              [2, 4],
              [3, 9],
            ],
          },
        ],
      })
      expect(line?.png).toBeDefined()
      expect(bars?.chart).toMatchObject({
        type: 'bar',
        elements: [
          { label: 'a', group: 'one', value: 3 },
          { label: 'b', group: 'one', value: 4 },
        ],
      })
      expect(pie?.chart).toMatchObject({
        type: 'pie',
        elements: [{ label: 'x', angle: 90, radius: 1 }, { label: 'y' }],
      })
      expect(boxes?.chart).toMatchObject({
        type: 'box_and_whisker',
        elements: [{ label: 'first', min: 1, first_quartile: 2, median: 3, third_quartile: 4, max: 5, outliers: [40] }],
      })
      expect(several?.chart).toMatchObject({
        type: 'superchart',
        title: 'Both',
        elements: [
          {
            type: 'scatter',
            x_scale: 'datetime',
            elements: [{ points: [[expect.stringMatching(/^2026-01-02T/), 5]] }],
          },
          {
            type: 'line',
            x_scale: 'categorical',
            elements: [
              {
                points: [
                  ['k', 1],
                  ['l', 2],
                ],
              },
            ],
          },
        ],
      })
    })
  })
}

const CHARTS = `
import datetime, pandas, matplotlib.pyplot as plt
from IPython.display import display
display(pandas.DataFrame({'n': [1, float('nan')], 'at': pandas.to_datetime(['2026-01-02', None]), 's': ['a', 'b']}))
plt.plot([1, 2, 3], [1, 4, 9], label='squares'); plt.title('Lines'); plt.xlabel('Time (s)'); plt.yscale('log'); plt.show()
plt.bar(['a', 'b'], [3, 4], label='one'); plt.show()
plt.pie([1, 3], labels=['x', 'y']); plt.show()
plt.boxplot([[1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 40]], labels=['first']); plt.show()
figure, (left, right) = plt.subplots(1, 2)
figure.suptitle('Both')
left.scatter([datetime.datetime(2026, 1, 2)], [5])
right.plot(['k', 'l'], [1, 2])
plt.show()
`
