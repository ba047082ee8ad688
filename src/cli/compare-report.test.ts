import { expect, test } from 'vitest';

import type { RunManifest } from '../store/runs.ts';
import {
  comparePage,
  type ComparedRun,
  differencesOf,
  shortNames,
  tableInWords,
} from './compare-report.ts';

function manifest(model: string, parameters: RunManifest['parameters'] = {}): RunManifest {
  return {
    version: 1,
    id: `20260101-000000-drift-${model.length.toString(16).padStart(4, '0')}`,
    kind: 'drift',
    title: '',
    model,
    fingerprint: 'f',
    packHash: null,
    limbicVersion: '1.0.0',
    started: '2026-01-01T00:00:00.000Z',
    pid: 1,
    parameters,
  };
}
const a: ComparedRun = {
  label: 'a',
  manifest: manifest('openai:a', { each: 2, judge: 'j' }),
  origin: 'new',
  verdict: 'It is <so>.',
  measures: [
    { name: 'mean', value: 1.5, interval: [1, 2.25], n: 8 },
    { name: 'only here', value: 3, n: 1 },
  ],
};
const b: ComparedRun = {
  ...a,
  label: 'bb',
  manifest: manifest('openai:bb', { each: 2, judge: 'j' }),
  verdict: 'It is not.',
  measures: [{ name: 'mean', value: null, n: 0, note: 'nothing to measure' }],
};

test('shortNames leaves out provider and address, keeps what tells models apart, numbers the rest', () => {
  expect(
    shortNames(['openai:gpt', 'compatible:http://127.0.0.1:1/v1#toy:7b', 'smollm2', 'hf:a/b:c']),
  ).toEqual(['gpt', 'toy:7b', 'smollm2', 'hf:a/b:c']);
  expect(shortNames(['openai:x', 'google:x', 'openai:y'])).toEqual(['openai:x', 'google:x', 'y']);
  expect(shortNames(['m', 'm', 'n'])).toEqual(['m (1)', 'm (2)', 'n']);
});

test('tableInWords has a row a measure and a column a run, in line', () => {
  expect(tableInWords([a, b])).toBe(
    [
      '           a                     bb',
      'mean       1.500 (1.00 to 2.25)  -',
      'only here  3.000                 -',
    ].join('\n'),
  );
});

test('differencesOf names what differs besides the model', () => {
  expect(differencesOf([a, b])).toEqual([]);
  const other = {
    label: 'c',
    manifest: { ...manifest('c', { each: 3, judge: 'j', doses: [1] }), limbicVersion: '1.1.0' },
  };
  expect(differencesOf([a, other])).toEqual([
    'each differs: 2 for a, 3 for c',
    'doses differs: none for a, [1] for c',
    'limbic differs: "1.0.0" for a, "1.1.0" for c',
  ]);
});

test('comparePage has verdicts, notes, a chart for measures with intervals, all numbers and the runs', () => {
  const html = comparePage({ study: 'drift', runs: [a, b], notes: ['each differs'] });
  expect(html).toContain('<h1>drift: 2 models compared</h1>');
  expect(html).toContain('It is &lt;so&gt;.');
  expect(html).toContain('<td>each differs</td>');
  expect(html.match(/<svg /g)).toHaveLength(1);
  expect(html).toContain(
    '<tr><td>mean</td><td>1.500 (1.000 to 2.250), n 8</td><td>not measured (nothing to measure)</td></tr>',
  );
  expect(html).toContain('<tr><td>only here</td><td>3.000, n 1</td><td>-</td></tr>');
  for (const {
    manifest: { id },
  } of [a, b])
    expect(html).toContain(id);
  expect(html).not.toMatch(/src=|href=|<link|<script|url\(/);
});

test('comparePage shows six charts and folds the others away', () => {
  const measures = Array.from({ length: 8 }, (_, k) => ({
    name: `m${k}`,
    value: k,
    interval: [k, k + 1] as [number, number],
    n: 5,
  }));
  const html = comparePage({ study: 'drift', runs: [{ ...a, measures }], notes: [] });
  const [shown = '', folded = ''] = html.split('<summary>2 more charts</summary>');
  expect(shown.match(/<svg /g)).toHaveLength(6);
  expect(folded.match(/<svg /g)).toHaveLength(2);
  expect(html).not.toContain('Not the same in all runs');
});
