import { expect, test } from 'vitest';

import { InvalidInputError } from '../errors.ts';
import { type ExpectedAnswer, gradeAnswer, readAnswer } from './answer-grader.ts';
import { difficulties, families, type GradedTask, makeGradedTasks } from './graded-tasks.ts';

const tasks = [1, 2].flatMap((seed) => makeGradedTasks(40, seed));
const of = (family: string): GradedTask[] => tasks.filter((task) => task.family === family);

// Every answer is worked out again from the words of the question, another way than the generator's.

const numbersIn = (text: string): number[] => (text.match(/\d+/gu) ?? []).map(Number);

/** + and - from left to right, after products, after one bracket. */
function valueOf(text: string): number {
  const open = text.replace(/\(([^)]*)\)/u, (_, inside: string) => String(valueOf(inside)));
  const terms = open.replaceAll(' - ', ' + -').split(' + ');
  return terms
    .map((term) => term.split(' × ').reduce((all, n) => all * Number(n), 1))
    .reduce((a, b) => a + b, 0);
}

const stories: readonly (readonly [RegExp, (n: number[]) => number])[] = [
  [/^A baker/u, ([a, b]) => a! + b!],
  [/^There were/u, ([a, b]) => a! - b!],
  [/^A farmer/u, ([crates, each, left]) => crates! * each! + left!],
  [/^A theatre/u, ([rows, seats, empty]) => rows! * seats! - empty!],
  [
    /^A hall/u,
    ([rows, chairs, broken, helpers, each]) => rows! * chairs! - broken! + helpers! * each!,
  ],
  [
    /^A ticket/u,
    ([grown, child, adults, children, voucher]) => grown! * adults! + child! * children! - voucher!,
  ],
];

test('arithmetic: every answer follows from the question', () => {
  for (const { id, question, answer } of of('arithmetic')) {
    const sum = /^What is (.+?)\?/u.exec(question)?.[1];
    const story = stories.find(([pattern]) => pattern.test(question));
    const value = sum === undefined ? story?.[1](numbersIn(question)) : valueOf(sum);
    expect([id, answer]).toEqual([id, String(value)]);
    expect(Number(answer)).toBeGreaterThan(0);
  }
  // By hand.
  expect(valueOf('(23 + 14) × 6 - 30')).toBe(192);
  expect(valueOf('31 × 8 + 73 × 9')).toBe(905);
});

/** The letters of `text` that a rule keeps, by a loop. */
function keep(text: string, rule: (letter: string, place: number) => boolean): string {
  let out = '';
  for (let i = 0; i < text.length; i++) if (rule(text.charAt(i), i)) out += text.charAt(i);
  return out;
}
const isConsonant = (letter: string): boolean => !'aeiou'.includes(letter);

/** What the words of a question ask for; `a` and `b` are its quoted words, `list` the listed ones. */
const rules: readonly (readonly [
  RegExp,
  (a: string, b: string, list: string[], letter: string) => string,
])[] = [
  [/the first letter of each/u, (_a, _b, list) => list.map((w) => w.charAt(0)).join('')],
  [/the last letter of each/u, (_a, _b, list) => list.map((w) => w.charAt(w.length - 1)).join('')],
  [/without its first letter/u, (a) => keep(a, (_, i) => i > 0)],
  [/first the second one/u, (a, b) => `${b}${a}`],
  [
    /backwards/u,
    (a) => {
      let out = '';
      for (let i = a.length - 1; i >= 0; i--) out += a.charAt(i);
      return out;
    },
  ],
  [/occur in/u, (a, _b, _list, letter) => String(keep(a, (c) => c === letter).length)],
  [/replaced by the letter u/u, (a, _b, _list, letter) => a.split(letter).join('u')],
  [/without its vowels/u, (a) => keep(a, isConsonant)],
  [
    /alphabetical order/u,
    (a) => {
      let out = '';
      for (const letter of 'abcdefghijklmnopqrstuvwxyz') out += keep(a, (c) => c === letter);
      return out;
    },
  ],
  [/every second letter/u, (a) => keep(a, (_, i) => i % 2 === 1)],
  [/leave out all vowels/u, (a, b) => keep(a + b, isConsonant)],
];

function lettersOf(question: string): string | undefined {
  const [a = '', b = ''] = [...question.matchAll(/"([a-z ]+)"/gu)].map(([, inside]) => inside!);
  const list = /in this order: (\w+), (\w+), (\w+)\./u.exec(question)?.slice(1) ?? [];
  const letter = /letter (\w) /u.exec(question)?.[1] ?? '';
  return rules.find(([pattern]) => pattern.test(question))?.[1](a, b, list, letter);
}

test('strings: every answer follows from the question', () => {
  for (const { id, question, answer } of of('strings'))
    expect([id, answer]).toEqual([id, lettersOf(question)]);
  expect(lettersOf('Write the word "stone" backwards.')).toBe('enots');
});

/** Every order of n places, by counting in base n. */
function orders(n: number): number[][] {
  const all: number[][] = [];
  for (let code = 0; code < n ** n; code++) {
    const places = Array.from({ length: n }, (_, i) => 1 + (Math.floor(code / n ** i) % n));
    if (new Set(places).size === n) all.push(places);
  }
  return all;
}

const allOrders = new Map([3, 4, 5].map((n) => [n, orders(n)]));
const ordinals = ['first', 'second', 'third', 'fourth', 'fifth'];

/** Whether a sentence about people is true when each has this place; 1 is most, or leftmost. */
function isTrue(sentence: string, placeOf: (name: string) => number): boolean {
  const [a, b] = (sentence.match(/\b(?!Exactly)[A-Z]\w+/gu) ?? []).map(placeOf);
  if (/ (?:older|taller|faster|richer) than /u.test(sentence)) return a! < b!;
  if (/ (?:younger|shorter|slower|poorer) than /u.test(sentence)) return a! > b!;
  if (/somewhere to the left of/u.test(sentence)) return a! < b!;
  if (/do not sit side by side/u.test(sentence)) return Math.abs(a! - b!) !== 1;
  if (/sit side by side/u.test(sentence)) return Math.abs(a! - b!) === 1;
  if (/Exactly one person sits between/u.test(sentence)) return Math.abs(a! - b!) === 2;
  if (/one of the two ends/u.test(sentence)) return a === 1 || a === 5;
  if (/does not have the/u.test(sentence))
    return a !== 1 + ordinals.findIndex((word) => sentence.includes(`the ${word} seat`));
  throw new Error(`an unknown clue: ${sentence}`);
}

test('logic: in every order that fits the words, the same person is asked for', () => {
  for (const { id, question, answer, choices, difficulty } of of('logic')) {
    const names = [...(choices ?? [])];
    expect(names).toHaveLength({ easy: 3, medium: 4, hard: 5 }[difficulty]);
    const sentences = question.split(/(?<=[.?]) /u).filter((text) => !text.startsWith('End your'));
    const asked = sentences.pop()!;
    const clues = difficulty === 'hard' ? sentences.slice(1) : sentences;
    expect(asked.startsWith('Who ')).toBe(true);
    const place = Math.max(1, 1 + ordinals.findIndex((word) => asked.includes(`the ${word} `)));
    const found = new Set<string>();
    for (const places of allOrders.get(names.length)!) {
      const placeOf = (name: string): number => places[names.indexOf(name)]!;
      if (clues.every((clue) => isTrue(clue, placeOf))) found.add(names[places.indexOf(place)]!);
    }
    expect([id, ...found]).toEqual([id, answer]);
  }
  // The answer's place in the list of names, and its turn in the text, give nothing away.
  const turns = of('logic').map(
    ({ choices, answer }) => choices!.indexOf(answer) / (choices!.length - 1),
  );
  const mean = turns.reduce((a, b) => a + b, 0) / turns.length;
  expect(mean).toBeGreaterThan(0.4);
  expect(mean).toBeLessThan(0.6);
});

test('9 cells alike, unique questions, plain words, and the same seed gives the same tasks', () => {
  for (const family of families)
    for (const difficulty of difficulties)
      expect(of(family).filter((task) => task.difficulty === difficulty)).toHaveLength(80);
  const first = tasks.slice(0, 360);
  expect(new Set(first.map(({ question }) => question)).size).toBe(360);
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(720);
  for (const { question } of tasks) {
    expect(question).not.toMatch(/\n|undefined|NaN|\d[.,]\d|-\d|  /u);
    expect(question).toMatch(
      / End your reply with a line that reads "Answer: ", followed by the /u,
    );
  }
  expect(makeGradedTasks(40, 1)).toEqual(first);
  // A smaller number of each cell gives the first ones of it.
  const few = new Set(makeGradedTasks(3, 1).map(({ question }) => question));
  expect(first.filter(({ question }) => few.has(question))).toHaveLength(27);
  expect(makeGradedTasks(0, 1)).toEqual([]);
  for (const count of [-1, 0.5, 101])
    expect(() => makeGradedTasks(count, 1)).toThrow(InvalidInputError);
});

test('gradeAnswer takes every task with its own answer, and no other', () => {
  for (const task of tasks) {
    expect(gradeAnswer(task, `I worked it out.\nAnswer: ${task.answer}`)).toBe(true);
    expect(gradeAnswer(task, `**Answer:** ${task.answer.toUpperCase()}.`)).toBe(true);
    const other =
      task.answerType === 'number'
        ? String(Number(task.answer) + 1)
        : (task.choices?.find((name) => name !== task.answer) ?? `${task.answer}x`);
    expect(gradeAnswer(task, `Answer: ${other}`)).toBe(false);
    expect(gradeAnswer(task, '')).toBe(false);
    // The question itself is no answer.
    expect(gradeAnswer(task, task.question)).toBe(false);
  }
});

const amount: ExpectedAnswer = { answer: '1512', answerType: 'number' };
const letters: ExpectedAnswer = { answer: 'enots', answerType: 'word' };
const name: ExpectedAnswer = {
  answer: 'Hugo',
  answerType: 'word',
  choices: ['Felix', 'Hugo', 'Oscar'],
};

test.each([
  [amount, 'Answer: 1512'],
  [amount, 'answer: 1,512'],
  [amount, '**Answer: 1512**'],
  [amount, '**Answer**: 1 512.'],
  [amount, 'ANSWER:1512 chairs.'],
  [amount, 'Final Answer: $1512$'],
  [amount, 'Answer: \\boxed{1512}'],
  [amount, '\\[ \\boxed{\\text{Answer: } 1512} \\]'],
  [amount, 'Answer:\n\n1512'],
  [amount, 'Answer: 1512.0'],
  [amount, 'Answer: 108*14 = 1512'],
  [amount, 'Answer: 1512 (1610 - 98)'],
  [amount, 'Answer: 1500\nI forgot something.\nAnswer: 1512'],
  [amount, '115 × 14 = 1610, minus 98.\n\nAnswer: 1512\n\nLet me know if 2 more are needed.'],
  [amount, 'The answer is: 1512'],
  [amount, '1512'],
  [amount, 'It pays 1512 crowns.'],
  [amount, 'It is 1512, yes, 1,512.'],
  [letters, 'Answer: enots'],
  [letters, 'Answer: "ENOTS".'],
  [letters, 'Answer: e n o t s'],
  [letters, 'Answer: e-n-o-t-s'],
  [letters, 'Answer: `enots`'],
  [letters, "Answer: The word backwards is 'enots'."],
  [letters, 'enots'],
  [name, 'Answer: Hugo'],
  [name, 'Answer: hugo.'],
  [name, '- **Answer:** Hugo has the third seat.'],
  [name, 'Answer: Hugo (not Felix)'],
  [name, 'It must be Hugo.'],
  [name, 'Felix is left of Oscar.\nAnswer: Hugo'],
] as const)('gradeAnswer accepts %o %j', (task, reply) => {
  expect(gradeAnswer(task, reply)).toBe(true);
});

test.each([
  [amount, 'Answer: 1513'],
  [amount, 'Answer: -1512'],
  [amount, 'Answer: 15120'],
  [amount, 'Answer: 1512.5'],
  [amount, 'Answer: 1512 or 1521'],
  [amount, 'Answer: not 1512'],
  [amount, 'Answer: 15*12'],
  [amount, 'Answer: 1512\nNo, wait.\nAnswer: 1500'],
  [amount, 'Answer: ...\nIt could be 1512.'],
  [amount, 'The answer is 1512 because 1610 - 98 is that.'],
  [amount, '115 × 14 = 1610 and 1610 - 98 = 1512'],
  [amount, 'I do not know.'],
  [amount, 'Answer:'],
  [letters, 'Answer: stone'],
  [letters, 'Answer: enot'],
  [letters, 'Answer: enots or enosts'],
  [letters, 'The word "stone" backwards is "enots"'],
  [letters, 'I think it is enots'],
  [name, 'Answer: Felix'],
  [name, 'Answer: Felix or Hugo'],
  [name, 'Answer: not Hugo'],
  [name, 'Answer: Hugolin'],
  [name, 'Felix sits left of Hugo.'],
  [name, 'Answer: cannot be told'],
] as const)('gradeAnswer rejects %o %j', (task, reply) => {
  expect(gradeAnswer(task, reply)).toBe(false);
});

test('readAnswer tells a wrong answer from none that can be read', () => {
  const sum: ExpectedAnswer = { answer: '42', answerType: 'number' };
  const person: ExpectedAnswer = { answer: 'Anna', answerType: 'word', choices: ['Anna', 'Boris'] };
  expect(readAnswer(sum, 'It is 40 + 1.\nAnswer: 41')).toBe('41');
  expect(readAnswer(sum, '40 and 2 make it.')).toBeUndefined();
  expect(readAnswer(sum, '')).toBeUndefined();
  expect(readAnswer(person, 'Answer: Boris')).toBe('Boris');
  expect(readAnswer(person, 'Answer: Anna or Boris')).toBeUndefined();
  expect(readAnswer(person, 'I cannot tell.')).toBeUndefined();
});
