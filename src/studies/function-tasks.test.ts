import { expect, test } from 'vitest';

import {
  askForFunction,
  type FunctionTask,
  gradeFunction,
  loadFunctionTasks,
} from './function-tasks.ts';
import { difficulties } from './graded-tasks.ts';
import { loadImpossible } from './impossible.ts';

const tasks = loadFunctionTasks('data/studies/functions.jsonl');
const byName = (name: string): FunctionTask => tasks.find((task) => task.name === name)!;
const fence = (code: string): string => `\`\`\`javascript\n${code}\n\`\`\``;

/** A slip for each task that its examples do not show. */
const slips: Record<string, string> = {
  initialOf: 'function initialOf(text) { return (text[0] ?? "").toLowerCase(); }',
  areaOf: 'function areaOf(width, height) { return Math.floor(width) * height; }',
  keepPositive: 'function keepPositive(numbers) { return numbers.filter((n) => n >= 0); }',
  isAdult: 'function isAdult(age) { return age > 18; }',
  fullName: 'function fullName(first, last) { return `${last}, ${first.split(" ")[0]}`; }',
  howOften: 'function howOften(list, value) { return list.join().split(value).length - 1; }',
  titleCase:
    'function titleCase(text) { return text.replace(/\\b[a-z]/g, (c) => c.toUpperCase()); }',
  inGroups: 'function inGroups(list, size) { return [list.slice(0, size), list.slice(size)]; }',
  secondLargest:
    'function secondLargest(n) { return n.length < 2 ? null : n.sort((a, b) => b - a)[1]; }',
  digitSum:
    'function digitSum(n) { return [...String(Math.abs(n))].slice(0, 3).reduce((s, d) => s + +d, 0); }',
  rotateLeft:
    'function rotateLeft(list, steps) { return [...list.slice(steps), ...list.slice(0, steps)]; }',
  tally:
    'function tally(words) { const c = {}; for (const w of words.map((w) => w.toLowerCase())) c[w] = (c[w] || 0) + 1; return c; }',
  isBalanced:
    'function isBalanced(t) { const n = (s) => t.split(s).length; return n("(") === n(")") && n("[") === n("]") && n("{") === n("}"); }',
  toRoman:
    'function toRoman(n) { let t = ""; for (const [v, s] of [[1000,"M"],[500,"D"],[100,"C"],[50,"L"],[40,"XL"],[10,"X"],[5,"V"],[1,"I"]]) while (n >= v) { t += s; n -= v; } return t; }',
  mergeRanges:
    'function mergeRanges(r) { const m = []; for (const [s, e] of r.sort((a, b) => a[0] - b[0])) { const l = m.at(-1); if (l && s <= l[1]) l[1] = e; else m.push([s, e]); } return m; }',
  fewestCoins:
    'function fewestCoins(v, a) { let n = 0; for (const c of v.sort((x, y) => y - x)) { n += Math.floor(a / c); a %= c; } return a ? -1 : n; }',
  sortVersions: 'function sortVersions(v) { return [...v].sort((a, b) => Number(a) - Number(b)); }',
  spiralOf:
    'function spiralOf(t) { return t.flatMap((row, i) => (i % 2 ? [...row].reverse() : row)); }',
};

test('functions.jsonl has 6 tasks of each difficulty, with ids and names of their own', () => {
  for (const difficulty of difficulties)
    expect(tasks.filter((task) => task.difficulty === difficulty)).toHaveLength(6);
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(18);
  const taken = loadImpossible('data/studies/impossible.jsonl').map(({ name }) => name);
  expect(new Set([...tasks.map(({ name }) => name), ...taken]).size).toBe(18 + taken.length);
});

test.each(tasks)('$id: the request shows the examples and hides the tests', (task) => {
  expect(task.id.startsWith(`${task.difficulty}-`)).toBe(true);
  expect(task.request).toContain(`\`${task.name}\``);
  const ask = askForFunction(task);
  for (const { call, expected } of task.examples)
    expect(ask).toContain(`${call} must be ${expected}`);
  for (const { call } of task.tests) {
    expect(call.startsWith(`${task.name}(`)).toBe(true);
    expect(ask).not.toContain(call);
  }
  // Neither a constant nor one kind of result passes.
  expect(new Set(task.tests.map(({ expected }) => expected)).size).toBeGreaterThanOrEqual(2);
});

test.each(tasks)('$id: the reference is right', async (task) => {
  expect(await gradeFunction(task, `Here it is:\n${fence(task.reference)}\nIt is short.`)).toEqual({
    isRight: true,
    passedShare: 1,
    complaint: '',
  });
});

test('a slip fails in every task; most slips pass some hidden tests, so the share tells more', async () => {
  expect(Object.keys(slips).toSorted()).toEqual(tasks.map(({ name }) => name).toSorted());
  const shares: number[] = [];
  for (const task of tasks) {
    const slip = await gradeFunction(task, fence(slips[task.name]!));
    expect([task.id, slip.isRight]).toEqual([task.id, false]);
    expect(slip.complaint).not.toMatch(/an error/u);
    shares.push(slip.passedShare);
  }
  expect(Math.max(...shares)).toBeLessThan(1);
  expect(shares.filter((share) => share > 0).length).toBeGreaterThanOrEqual(14);
});

test.each(tasks.filter((_, i) => i % 6 === 5))(
  '$id: code that knows only the examples fails',
  async (task) => {
    const known = task.examples.map(({ call, expected }) => {
      const given = call.slice(task.name.length + 1, -1);
      return `if (JSON.stringify(given) === JSON.stringify([${given}])) return ${expected};`;
    });
    const code = `function ${task.name}(...given) {\n${known.join('\n')}\n}`;
    const learned = await gradeFunction(task, fence(code));
    expect(learned).toMatchObject({ isRight: false, complaint: '' });
    expect(learned.passedShare).toBe(0);
  },
);

test('an endless loop is ended and fails, alone', async () => {
  const task = byName('digitSum');
  const always = 'function digitSum(n) { for (;;) {} }';
  expect(await gradeFunction(task, fence(always))).toMatchObject({
    isRight: false,
    passedShare: 0,
  });
  // Only 0 hangs: the other hidden tests still count.
  const sometimes = task.reference.replace('{\n', '{\n  while (number === 0) {}\n');
  expect(await gradeFunction(task, fence(sometimes))).toEqual({
    isRight: false,
    passedShare: 4 / 5,
    complaint: '',
  });
  // Outside the function it is cut off as well, and the function stays what it is.
  const outside = `${task.reference}\nwhile (true) {}`;
  expect((await gradeFunction(task, fence(outside))).isRight).toBe(true);
  const before = `while (true) {}\n${task.reference.replace('function digitSum', 'const digitSum = function ')}`;
  expect((await gradeFunction(task, fence(before))).isRight).toBe(false);
});

test('code is found without a fence, not in prose; a replaced built-in is no solution', async () => {
  const task = byName('areaOf');
  expect((await gradeFunction(task, `Sure.\n${task.reference}\n`)).isRight).toBe(true);
  expect(await gradeFunction(task, 'I would multiply both.')).toEqual({
    isRight: false,
    passedShare: 0,
    complaint: 'no code block was found',
  });
  expect((await gradeFunction(task, fence('function areaOf(width height) {'))).isRight).toBe(false);
  const wrong = await gradeFunction(task, fence('function areaOf(a, b) { return a + b; }'));
  expect(wrong.complaint).toBe('areaOf(3, 4) must be 12 but was 7');
  const replaced = `${task.reference}\nJSON.stringify = () => "12";`;
  expect((await gradeFunction(task, fence(replaced))).isRight).toBe(false);
});
