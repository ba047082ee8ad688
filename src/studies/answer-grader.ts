/**
 * @file Tells from a reply whether its final answer is the right one, by its last "Answer:" line, so that no
 * model judges; a reply without such a line counts only where it can mean one thing.
 */

/** What a reply is graded by. */
export interface ExpectedAnswer {
  /** Digits for a number, letters for a word. */
  readonly answer: string;
  readonly answerType: 'number' | 'word';
  /** The words among which the answer is, where there are some: a name in a sentence is then found. */
  readonly choices?: readonly string[];
}

/**
 * Whether the reply's final answer is the task's. The last "Answer:" line counts (bold, a final stop, upper
 * or lower case, quotes, `1,234` and a unit after a number do not matter); an empty one takes the next line.
 * Two different numbers or names on it are wrong, unless one follows the last equals sign. Without such a line: a
 * number, name or word counts when the whole reply holds no other. What is cut off inside a number can't be told.
 */
export function gradeAnswer(task: ExpectedAnswer, reply: string): boolean {
  const found = readAnswer(task, reply);
  return found !== undefined && sameAnswer(task, found);
}

/**
 * The reply's final answer as it is compared, by the rules of `gradeAnswer`; undefined where none can be told:
 * then the reply is not right, but what it lacks may be the form only.
 */
export function readAnswer(task: ExpectedAnswer, reply: string): string | undefined {
  const text = plainOf(reply);
  const line = answerLine(text);
  return line === undefined ? soleIn(task, text) : answerIn(task, line);
}

/** Without marks of Markdown and TeX, and with plain quotes, minus signs and spaces. */
function plainOf(reply: string): string {
  return (
    reply
      .replaceAll(/[\u00a0\u2007\u2009\u202f]/gu, ' ')
      .replaceAll('\u2212', '-')
      .replaceAll(/[\u2018\u2019]/gu, "'")
      .replaceAll(/[\u201c\u201d]/gu, '"')
      .replaceAll(/\\(?:boxed|text|mathrm|textbf)\s*\{([^{}]*)\}/gu, '$1')
      // Not a mark but a times sign.
      .replaceAll(/(?<=[\d)]\s*)\*(?=\s*[\d(])/gu, '×')
      .replaceAll(/\\[()[\]]|[*_`$]|^\s*(?:#+|>)\s*/gmu, '')
  );
}

const label = /\banswer\s*(?:is\s*)?[:=]/giu;

/** What follows the last "Answer:", or the next line that has something. */
function answerLine(text: string): string | undefined {
  const last = [...text.matchAll(label)].at(-1);
  if (last === undefined) return undefined;
  const rest = text.slice(last.index + last[0].length);
  return (
    rest
      .split('\n')
      .map((line) => line.trim())
      .find((line) => line !== '') ?? ''
  );
}

function answerIn(task: ExpectedAnswer, line: string): string | undefined {
  // "42 (27 + 15)" explains itself; what stands in brackets alone is the answer.
  const bare = line.replaceAll(/\([^()]*\)/gu, ' ').trim();
  const kept = /[\p{L}\d]/u.test(bare) ? bare : line;
  if (task.answerType === 'number') return soleNumber(kept.split('=').at(-1)!);
  return task.choices === undefined ? wordIn(kept) : soleChoice(task.choices, kept);
}

function soleIn(task: ExpectedAnswer, text: string): string | undefined {
  if (task.answerType === 'number') return soleNumber(text);
  return task.choices === undefined ? wordIn(text) : soleChoice(task.choices, text);
}

/** The one number in the text, digits only; undefined for none or two different ones, or one denied. */
function soleNumber(text: string): string | undefined {
  if (/\b(?:not|isn't)\b/iu.test(text)) return undefined;
  const pattern = /(?<![\w.])-?(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)(?:\.\d+)?/gu;
  const numbers = [...text.matchAll(pattern)].map(([number]) =>
    number.replaceAll(/[, ]/gu, '').replace(/\.0+$/u, ''),
  );
  return soleOf(numbers);
}

/** The one choice that the text names. */
function soleChoice(choices: readonly string[], text: string): string | undefined {
  if (/\b(?:not|isn't)\b/iu.test(text)) return undefined;
  const words = new Set(text.toLowerCase().match(/[\p{L}\d]+/gu));
  return soleOf(choices.filter((choice) => words.has(choice.toLowerCase())));
}

const soleOf = (items: readonly string[]): string | undefined =>
  new Set(items).size === 1 ? items[0] : undefined;

/** The one word, quoted or alone; single letters in a row ("t r a c") are one word. */
function wordIn(text: string): string | undefined {
  const quoted = [...text.matchAll(/"([^"]+)"|(?<!\w)'([^']+)'(?!\w)/gu)].map(
    ([, double, single]) => double ?? single ?? '',
  );
  const inside = quoted.length > 0 ? soleOf(quoted) : text;
  const words = inside?.match(/[\p{L}\d]+/gu) ?? [];
  const isSpelled = words.length > 1 && words.every((word) => word.length === 1);
  return isSpelled ? words.join('') : words.length === 1 ? words[0] : undefined;
}

function sameAnswer({ answer, answerType }: ExpectedAnswer, found: string): boolean {
  return answerType === 'number'
    ? Number(found) === Number(answer)
    : found.toLowerCase() === answer.toLowerCase();
}
