import { expect, test } from 'vitest';

import { escapeHtml, renderTokens } from './html.ts';
import { drawnPoints, frameOf, type LineChart, pathOf, renderLineChart } from './line-chart.ts';
import { renderPage } from './page.ts';
import { cssColour, share } from './scale.ts';
import { paintToken, signed, signedBar, sparkline } from './terminal.ts';

const chart: LineChart = {
  title: 'T',
  xLabel: 'x',
  yLabel: 'y',
  ticks: ['0', '1', '2'],
  series: [
    { name: 'a', values: [0, 10, null] },
    { name: 'b', values: [0, 10, 10] },
  ],
};

test('frameOf maps the data with a margin of 5 % onto the drawing', () => {
  const frame = frameOf(chart);
  // Values -0.5 to 10.5 over 236 pixels from y 16; points over 506 pixels from x 64.
  expect(frame.y(10.5)).toBeCloseTo(16, 9);
  expect(frame.y(-0.5)).toBeCloseTo(252, 9);
  expect(frame.x(1)).toBeCloseTo(64 + 253, 9);
});

test('pathOf lifts the pen at a gap', () => {
  expect(pathOf([0, null, 10], frameOf(chart))).toMatch(/^M64\.0 [\d.]+M570\.0 [\d.]+$/);
});

test('renderLineChart keeps labels of lines that end together apart', () => {
  const heights = [...renderLineChart(chart).matchAll(/<text x="578" y="([\d.]+)"/g)].map((match) =>
    Number(match[1]),
  );
  expect(Math.abs(heights[0]! - heights[1]!)).toBeGreaterThanOrEqual(14);
});

test('the colour scale is symmetric, grows with the value and ends at its maximum', () => {
  const opacity = (value: number): number => Number(/([\d.]+)\)$/.exec(cssColour(value, 1))![1]);
  expect(opacity(0.5)).toBe(opacity(-0.5));
  expect(opacity(0.2)).toBeLessThan(opacity(0.6));
  expect(opacity(3)).toBe(opacity(1));
  expect(cssColour(0.5, 1)).not.toBe(cssColour(-0.5, 1));
  expect(share(NaN, 1)).toBe(0);
});

test('text from a model cannot become markup', () => {
  expect(escapeHtml('<b a="1">&')).toBe('&lt;b a=&quot;1&quot;&gt;&amp;');
  expect(renderTokens([{ text: '<script>', value: 1, detail: '"x"' }], 'l', 1)).not.toContain(
    '<script>',
  );
});

test('renderPage asks for nothing from the network', () => {
  const html = renderPage({
    title: 't',
    subtitle: 's',
    sections: [{ title: 'a', lead: 'b', body: renderLineChart(chart) }],
    footer: 'f',
  });
  expect(html).not.toMatch(/https?:|src=|<link|<script|url\(/);
});

test('signedBar, sparkline and paintToken draw what they are given', () => {
  expect(signedBar(0.5, 1, 4)).toBe('    │██  ');
  expect(signedBar(-1, 1, 4)).toBe('████│    ');
  expect(sparkline([0, 1, 2])).toBe('▁▅█');
  expect(paintToken('a\u0007', 1, 1, false)).toBe('a\\x07');
  expect(paintToken('a\nb', 1, 1, true).split('\n')).toHaveLength(2);
});

test('signed gives what does not round to 0 its sign, and nothing else', () => {
  expect([0.0126, -0.0126, -0.004, 0.004, 0, -0].map((value) => signed(value, 2))).toEqual([
    '+0.01',
    '-0.01',
    '0.00',
    '0.00',
    '0.00',
    '0.00',
  ]);
  expect([signed(1), signed(NaN), signed(-Infinity, 1)]).toEqual(['+1.000', '–', '-Infinity']);
});

test('a line of 200,000 points keeps its extremes and its gaps on few pixels', () => {
  const values: (number | null)[] = Array.from({ length: 200_000 }, (_, i) => Math.sin(i / 9000));
  values[70_001] = 9;
  values[150_003] = -8;
  values.fill(null, 100_000, 110_000);
  const drawn = drawnPoints(values);
  // 506 columns, four points each.
  expect(drawn.length).toBeLessThanOrEqual(4 * 506);
  expect(drawn).toContain(70_001);
  expect(drawn).toContain(150_003);
  expect(drawn).toEqual(drawn.toSorted((a, b) => a - b));
  const long = {
    ...chart,
    ticks: values.map((_, i) => String(i)),
    series: [{ name: 'a', values }],
  };
  const frame = frameOf(long);
  expect([frame.low, frame.high]).toEqual([-8 - 17 * 0.05, 9 + 17 * 0.05]);
  expect(pathOf(values, frame).match(/M/g)).toHaveLength(2);
  const svg = renderLineChart(long);
  expect(svg.length).toBeLessThan(200_000);
  expect(svg).toContain('the numbers, one row of 200');
});
