import { expect, test } from 'vitest';

import { type HeatMap, renderHeatMap } from './heat-map.ts';
import { cssColour } from './scale.ts';

const map: HeatMap = {
  title: 'afraid <late less early>',
  columnLabel: 'token',
  rowLabel: 'layer',
  columns: [' took', '<|im_end|>', '\n', '"&'],
  rows: [
    { name: '16', values: [0, 0.02, -0.01, 0.00123] },
    { name: '14', values: [0, null, NaN, -0.5] },
  ],
  max: 0.02,
};
const html = renderHeatMap(map);
/** The painted table, without the table of numbers. */
const painted = html.slice(0, html.indexOf('<details'));

test('renderHeatMap paints a cell a value with the colour scale, rows from the top as given', () => {
  const [top, bottom] = painted.split('<tbody>')[1]!.split('</tr>');
  const colours = (row: string): string[] =>
    [...row.matchAll(/<td [^>]*background:(rgba\([^)]*\))/g)].map((match) => match[1]!);
  expect(top).toContain('>16</th>');
  expect(colours(top!)).toEqual([0, 0.02, -0.01, 0.00123].map((value) => cssColour(value, 0.02)));
  // -0.5 is beyond the scale and gets its full colour; null and NaN get none.
  expect(colours(bottom!)).toEqual([cssColour(0, 0.02), cssColour(-0.02, 0.02)]);
  expect(bottom!.match(/<td/g)).toHaveLength(4);
});

test('renderHeatMap gives each number as a tooltip and in the table below', () => {
  expect(painted).toContain('title="16 · &lt;|im_end|&gt;: +0.02"');
  expect(painted).toContain('title="14 · &quot;&amp;: -0.5"');
  const numbers = html.slice(html.indexOf('<details'));
  expect(numbers).toContain(
    '<td>&quot;&amp;</td><td class="n">0.00123</td><td class="n">-0.5</td>',
  );
  expect(numbers).toContain('<td>&lt;|im_end|&gt;</td><td class="n">0.02</td><td></td>');
});

test('renderHeatMap keeps text of a model out of the markup and blanks in sight', () => {
  const hostile = renderHeatMap({ ...map, columns: ['<script>', '" onload="x', '\n', ' '] });
  expect(hostile).not.toContain('<script>');
  expect(hostile).not.toContain('" onload="x');
  expect(hostile).toContain('>⏎</span>');
  expect(hostile).toContain('>·</span>');
  expect(hostile).not.toContain('<late');
});

test('renderHeatMap scrolls by keyboard, keeps row names in sight and asks nothing of the network', () => {
  expect(painted).toMatch(/class="scroll" tabindex="0" role="region" aria-label="[^"]+"/);
  expect(painted.match(/position:sticky;left:0/g)).toHaveLength(3);
  expect(html).not.toMatch(/https?:|src=|<link|<script|url\(/);
});

test('renderHeatMap names both ends of its scale', () => {
  expect(painted).toContain('>-0.02</span>');
  expect(painted).toContain('>+0.02</span>');
});
