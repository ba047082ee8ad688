import { expect, test } from 'vitest';

import { type IntervalChart, renderIntervals } from './interval-chart.ts';

const chart: IntervalChart = {
  title: 'A <title>',
  xLabel: 'share',
  domain: [0, 1],
  groups: [
    { name: 'easy', points: [{ name: 'none', value: 0.5, low: 0.25, high: 0.75 }] },
    { name: 'hard', points: [{ name: 'none', value: 0, low: NaN, high: NaN }] },
  ],
};

test('renderIntervals puts values and ends where the axis has them', () => {
  // 496 pixels from x 200 stand for 0 to 1: a quarter is 124.
  const html = renderIntervals(chart);
  expect(html).toContain('x1="324.0" x2="572.0" y1="38" y2="38"');
  expect([...html.matchAll(/<circle cx="([\d.]+)" cy="(\d+)"/g)].map(([, x, y]) => [x, y])).toEqual(
    [
      ['448.0', '38'],
      ['200.0', '78'],
    ],
  );
  expect(html.match(/stroke-width="2"/g)).toHaveLength(1);
  expect(html).not.toContain('<title>A');
  expect(html).toContain('A &lt;title&gt;');
});

test('renderIntervals holds 0 in the axis where it is asked to, and draws what is no number nowhere', () => {
  const groups = [{ name: 'g', points: [{ name: 'a', value: 2, low: 1, high: 3 }] }];
  const with0 = renderIntervals({ ...chart, groups, domain: [-1, 3], zero: true });
  expect(with0).toContain('x1="324.0" x2="324.0"');
  expect(with0).toContain('stroke-dasharray="3 3"');
  const own = renderIntervals({ title: 't', xLabel: 'x', zero: true, groups });
  expect(own).toContain('stroke-dasharray="3 3"');
  const empty = renderIntervals({ title: 't', xLabel: 'x', groups: [{ name: 'g', points: [] }] });
  expect(empty).not.toContain('NaN');
  expect(empty).not.toContain('<circle');
});
