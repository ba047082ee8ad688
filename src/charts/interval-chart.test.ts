import { expect, test } from 'vitest';

import { type IntervalRow, renderIntervalChart, valueAxis } from './interval-chart.ts';

const rows: readonly IntervalRow[] = [
  { name: 'a', value: 2, interval: [0, 5], n: 7 },
  { name: 'b', value: 10, n: 3 },
  { name: 'c', value: null, n: 0 },
];
const chart = { title: 'T', valueLabel: 'points', rows };

test('valueAxis maps values and intervals with a margin of 5 % onto the drawing', () => {
  const axis = valueAxis(rows);
  // 0 to 10 and half a point at each side over 486 pixels from x 210.
  expect([axis.low, axis.high]).toEqual([-0.5, 10.5]);
  expect(axis.x(-0.5)).toBeCloseTo(210, 9);
  expect(axis.x(10.5)).toBeCloseTo(696, 9);
  expect(axis.x(5)).toBeCloseTo(453, 9);
});

test('valueAxis of one value has a width, and of none runs from 0 to 1', () => {
  const one = valueAxis([{ name: 'a', value: 0, n: 1 }]);
  expect([one.low, one.high]).toEqual([-0.05, 0.05]);
  const none = valueAxis([{ name: 'a', value: null, interval: [3, 4], n: 0 }]);
  expect([none.low, none.high]).toEqual([0, 1]);
});

test('renderIntervalChart draws the dot at the value and the line from low to high', () => {
  const html = renderIntervalChart(chart);
  // Row centres 12 + 14 and 12 + 42; 2 lies at 210 + 2.5 / 11 * 486.
  expect(html).toContain('<circle cx="320.5" cy="26"');
  expect(html).toContain('<path d="M232.1 26L453.0 26M232.1 22L232.1 30M453.0 22L453.0 30"');
  expect(html).toContain('<circle cx="673.9" cy="54"');
  // One row has an interval, one has not, and one was not measured.
  expect(html.match(/<path /g)).toHaveLength(1);
  expect(html.match(/<circle /g)).toHaveLength(2);
  expect(html.match(/>not measured</g)).toHaveLength(1);
  expect(html).toContain('viewBox="0 0 720 144"');
});

test('renderIntervalChart has the numbers as a table, with gaps where nothing was measured', () => {
  const html = renderIntervalChart(chart);
  expect(html).toContain(
    '<tr><td>a</td><td>2.0000</td><td>0.0000</td><td>5.0000</td><td class="n">7</td></tr>',
  );
  expect(html).toContain(
    '<tr><td>b</td><td>10.0000</td><td></td><td></td><td class="n">3</td></tr>',
  );
  expect(html).toContain('<tr><td>c</td><td></td><td></td><td></td><td class="n">0</td></tr>');
});

test('renderIntervalChart marks 0 only inside the axis', () => {
  const withZero = [{ name: 'a', value: 1, interval: [-1, 3] as const, n: 4 }];
  // -1 to 3 with a margin of 0.2: 0 is 1.2 of 4.4 from the left.
  expect(renderIntervalChart({ ...chart, rows: withZero })).toMatch(/class="zero" x1="342\.5"/);
  const without = [{ name: 'a', value: 2, interval: [1, 3] as const, n: 4 }];
  expect(renderIntervalChart({ ...chart, rows: without })).not.toContain('class="zero"');
});

test('renderIntervalChart lets no name become markup, leaves out ends that are no numbers, shortens', () => {
  const name = 'compatible:http://127.0.0.1:8080/v1#<b>';
  const html = renderIntervalChart({
    title: '<i>',
    valueLabel: '<u>',
    rows: [{ name, value: 1, interval: [Number.NaN, 2], n: 1 }],
  });
  expect(html).not.toMatch(/<[biu]>/);
  expect(html).not.toContain('NaN');
  expect(html).not.toContain('<path');
  // 12 characters of the start and 13 of the end.
  expect(html).toContain('>compatible:h…1:8080/v1#&lt;b&gt;<title>');
});

test('renderIntervalChart without rows is still a chart', () => {
  expect(renderIntervalChart({ ...chart, rows: [] })).toContain('viewBox="0 0 720 60"');
});
