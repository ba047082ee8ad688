/** @file The sections of the encouragement study's report: accuracy, contrasts, form, giving up, sentences, examples. */
import { escapeHtml, renderTable } from '../charts/html.ts';
import { renderIntervals } from '../charts/interval-chart.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { mean, wilson } from '../math/stats.ts';
import { kaplanMeier } from '../math/survival.ts';
import {
  allContrasts,
  attemptsOf,
  type Contrast,
  familyContrasts,
  isSolved,
  isSolvedIfReadable,
  replyWords,
  stopsEarly,
} from './encouragement-contrasts.ts';
import {
  armGroups,
  baseArms,
  type EncouragementContext,
  isTextArm,
  type Played,
  rightIn,
  runsIn,
} from './encouragement-data.ts';
import { insideSections } from './encouragement-inside.ts';
import { solvableTopics } from './encouragement-items.ts';
import { difficulties } from './graded-tasks.ts';
import { armsIn, inArm } from './measures.ts';

/** Tasks and puzzles whose replies are shown. */
const shownItems = 2;
/** Characters of a reply that are shown. */
const shownLength = 1200;

/** All sections; those that nothing was played for, or that need a local model, are left out. */
export function sectionsOf(played: readonly Played[], context: EncouragementContext): Section[] {
  const { settings, isLocal } = context;
  const hasSolvable = played.some(({ topic }) => topic !== 'failing puzzles');
  const hasFailing = runsIn(played).length > 0;
  return [
    ...(hasSolvable
      ? [
          accuracy(played),
          contrastSection(played, settings.seed),
          familySection(played, settings.seed),
          form(played),
        ]
      : []),
    ...(hasFailing ? [givingUp(played, settings)] : []),
    ...(isLocal ? insideSections(played, context) : []),
    sentences(played),
    examples(played),
    ...missing(played),
  ];
}

function accuracy(played: readonly Played[]): Section {
  const arms = armsIn(played);
  const texts = armGroups(played).texts;
  const chart = renderIntervals({
    title: 'Share of right answers with 95 % intervals (Wilson)',
    xLabel: 'share',
    domain: [0, 1],
    groups: [null, ...difficulties].map((difficulty) => ({
      name: difficulty ?? 'all',
      points: texts.map((arm) => {
        const right = rightIn(
          inArm(played, arm).filter((one) => difficulty === null || one.difficulty === difficulty),
        );
        const hits = right.filter(Boolean).length;
        const [low, high] = right.length === 0 ? [NaN, NaN] : wilson(hits, right.length);
        return { name: arm, value: hits / right.length, low, high };
      }),
    })),
  });
  const parts = [
    ...difficulties.map((name) => [name, (one: Played) => one.difficulty === name] as const),
    ...solvableTopics.map((name) => [name, (one: Played) => one.topic === name] as const),
  ];
  const table = renderTable(
    ['arm', 'all', ...parts.map(([name]) => name)],
    arms.map((arm) => {
      const own = inArm(played, arm);
      return [arm, countOf(own), ...parts.map(([, isPart]) => countOf(own.filter(isPart)))];
    }),
  );
  return {
    title: 'Accuracy',
    lead: 'The same tasks with the same seeds in every arm, one reply each, graded by a program; code is run. A reply without a readable answer is not right; one that never came is left out.',
    body: chart + table,
  };
}

function countOf(own: readonly Played[]): string {
  const right = rightIn(own);
  return right.length === 0 ? '-' : `${right.filter(Boolean).length} of ${right.length}`;
}

function contrastSection(played: readonly Played[], seed: number): Section {
  const rows = baseArms.flatMap((base) =>
    allContrasts(played, isSolved, { base, seed }).map((contrast) =>
      contrastRow(contrast.arm, contrast),
    ),
  );
  return {
    title: 'Against no sentence, and against a demand',
    lead: 'Difference in accuracy task by task, with a bootstrap interval over the tasks (none where no task differs). p by the exact test of McNemar, corrected by Holm over the text arms, over the steered emotions, and over the random directions, each against one base.',
    body: renderTable(contrastColumns('arm'), rows),
  };
}

const contrastColumns = (name: string): string[] => [
  name,
  'less',
  'tasks',
  'difference',
  'interval',
  'only with it',
  'only without',
  'p',
  'after Holm',
];

function contrastRow(name: string, contrast: Contrast): string[] {
  const { base, n, difference, interval, more, less, p, corrected } = contrast;
  return [
    name,
    base,
    String(n),
    difference.toFixed(3),
    intervalText(interval),
    String(more),
    String(less),
    p.toFixed(4),
    corrected.toFixed(4),
  ];
}

function intervalText([low, high]: readonly [low: number, high: number]): string {
  return Number.isFinite(low) && Number.isFinite(high)
    ? `${low.toFixed(3)} to ${high.toFixed(3)}`
    : '-';
}

function familySection(played: readonly Played[], seed: number): Section {
  const rows = baseArms.flatMap((base) =>
    familyContrasts(played, isSolved, { base, seed }).map(({ family, contrast }) =>
      contrastRow(family, contrast),
    ),
  );
  return {
    title: 'Families of encouragement',
    lead: 'Each on the tasks that got a sentence of it, about a third of all, so that families are not compared on the same tasks. Not corrected for their number.',
    body: rows.length === 0 ? '' : renderTable(contrastColumns('family'), rows),
  };
}

function form(played: readonly Played[]): Section {
  const rows = armsIn(played).map((arm) => {
    const graded = inArm(played, arm).filter(({ grade }) => grade !== null);
    const count = (holds: (one: Played) => boolean): string =>
      `${graded.filter(holds).length} of ${graded.length}`;
    const lengths = graded.flatMap((one) => replyWords.valueOf(one) ?? []);
    const readable = graded.flatMap((one) => isSolvedIfReadable.valueOf(one) ?? []);
    return [
      arm,
      count(({ grade }) => grade?.isReadable !== true),
      `${readable.filter((right) => right === 1).length} of ${readable.length}`,
      count(({ grade }) => grade?.isDeclined === true),
      count(({ replies }) => replies[0]?.stop === 'length'),
      lengths.length === 0 ? '-' : mean(lengths).toFixed(1),
    ];
  });
  return {
    title: 'Form and length',
    lead: 'What is no ability: replies in which no answer or code could be found, those that decline, those that were cut off at the longest length, and words. An arm that asks for steps may only make replies longer than the limit.',
    body: renderTable(
      ['arm', 'no readable answer', 'right of the readable', 'declined', 'cut off', 'words'],
      rows,
    ),
  };
}

function givingUp(played: readonly Played[], settings: EncouragementContext['settings']): Section {
  const { attempts } = settings;
  const { texts, emotions, random } = armGroups(played);
  const chart = (title: string, arms: readonly string[]): string =>
    renderLineChart({
      title,
      xLabel: 'attempt',
      yLabel: 'share that goes on after it (Kaplan-Meier)',
      ticks: ['0', ...Array.from({ length: attempts }, (_, i) => String(i + 1))],
      series: arms.map((arm) => ({
        name: arm,
        dashed: arm === 'none' || arm === 'demand',
        values: survivalOf(inArm(played, arm), attempts),
      })),
    });
  const rows = armsIn(played).map((arm) => {
    const own = inArm(played, arm);
    const runs = runsIn(own);
    const stops = own.flatMap((one) => stopsEarly(one, attempts) ?? []);
    const { value, interval } = attemptsOf(own, settings);
    return [
      arm,
      String(runs.length),
      String(runs.filter(({ gaveUp }) => gaveUp).length),
      `${stops.filter(Boolean).length} of ${stops.length}`,
      String(own.filter(({ failing }) => failing?.saidUnsolvable === true).length),
      String(own.filter(({ failing }) => failing?.isCut === true).length),
      Number.isNaN(value) ? '-' : value.toFixed(2),
      intervalText(interval),
    ];
  });
  const steered = emotions.length === 0 ? '' : chart('Steered', ['none', ...emotions, ...random]);
  return {
    title: 'Giving up',
    lead: `Puzzles without a solution; every attempt is rejected, which is true, until a reply gives up or ${attempts} attempts are made. A run that is stopped then says only that it went so far. Saying that there is no solution is counted as giving up as well, and apart.`,
    body:
      chart('Runs that go on', texts) +
      steered +
      renderTable(
        [
          'arm',
          'runs',
          'gave up',
          'stopped early',
          'said unsolvable',
          'broke off',
          `attempts (up to ${attempts})`,
          'interval',
        ],
        rows,
      ),
  };
}

/** Share that goes on after attempt 0, 1, ...; null beyond the last that any run made. */
function survivalOf(own: readonly Played[], attempts: number): (number | null)[] {
  const steps = kaplanMeier(runsIn(own));
  if (steps.length === 0) return [];
  return Array.from({ length: attempts + 1 }, (_, attempt) => {
    if (attempt === 0) return 1;
    const step = steps[attempt - 1];
    if (step !== undefined) return step.survival;
    return steps.at(-1)?.survival === 0 ? 0 : null;
  });
}

function sentences(played: readonly Played[]): Section {
  const base = new Map(inArm(played, 'none').map((one) => [one.item, one.grade?.isRight]));
  const all = new Map(
    played.flatMap(({ sentence }) => (sentence === null ? [] : [[sentence.id, sentence]])),
  );
  const rows = [...all.values()].map(({ id, family, text }) => {
    const own = played.filter(({ sentence }) => sentence?.id === id);
    const pairs = own.flatMap(({ item, grade }) => {
      const other = base.get(item);
      return grade === null || other === undefined ? [] : [Number(grade.isRight) - Number(other)];
    });
    return [
      id,
      family,
      text,
      String(own.length),
      countOf(own),
      pairs.length === 0 ? '-' : mean(pairs).toFixed(2),
    ];
  });
  return {
    title: 'Sentences',
    lead: 'Every sentence with the tasks that it stood beside, and the difference in accuracy from no sentence on the same tasks. With so few tasks each these order nothing; they show whether one sentence makes an arm.',
    body: renderTable(['sentence', 'family', 'text', 'tasks', 'right', 'less none'], rows),
  };
}

/** Tasks on which the arms differ most, and puzzles with the earliest end, in all text arms. */
function examples(played: readonly Played[]): Section {
  const texts = played.filter(({ arm }) => isTextArm(arm));
  const items = [...new Set(texts.map(({ item }) => item))].map((item) =>
    texts.filter((one) => one.item === item),
  );
  const spread = (own: readonly Played[]): number => {
    const right = rightIn(own);
    return Math.min(right.filter(Boolean).length, right.filter((one) => !one).length);
  };
  const solved = items
    .filter(([first]) => first?.topic !== 'failing puzzles')
    .toSorted((a, b) => spread(b) - spread(a))
    .slice(0, shownItems);
  const givenUp = (own: readonly Played[]): number =>
    runsIn(own).filter((run) => run.gaveUp).length;
  const failed = items
    .filter(([first]) => first?.topic === 'failing puzzles')
    .toSorted((a, b) => givenUp(b) - givenUp(a))
    .slice(0, shownItems);
  return {
    title: 'Replies',
    lead: 'Tasks on which the arms differ most, and the last replies to puzzles on which most runs gave up. They are picked for the difference and show no rule.',
    body: [...solved, ...failed].map(itemExample).join(''),
  };
}

function itemExample(own: readonly Played[]): string {
  const shown = own.map((one) => {
    const last = one.replies.at(-1);
    const text = last?.text ?? '';
    const cut = text.length > shownLength ? `${text.slice(0, shownLength)} ...` : text;
    return `<details><summary>${escapeHtml(`${one.arm}: ${outcomeOf(one)}`)}</summary><p><em style="white-space:pre-wrap">${escapeHtml(one.asked)}</em></p><p style="white-space:pre-wrap">${escapeHtml(last?.missing ?? cut)}</p></details>`;
  });
  return `<figure><figcaption>${escapeHtml(own[0]?.item ?? '')}</figcaption>${shown.join('')}</figure>`;
}

function outcomeOf({ grade, failing }: Played): string {
  if (grade !== null) {
    if (grade.isRight) return 'right';
    return grade.isReadable ? 'wrong' : 'no readable answer';
  }
  if (failing === null) return 'no reply';
  const count = `${failing.attempts} ${failing.attempts === 1 ? 'attempt' : 'attempts'}`;
  if (failing.gaveUp) return `gave up after ${count}`;
  return failing.isCut ? `broke off after ${count}` : `still going after ${count}`;
}

function missing(played: readonly Played[]): Section[] {
  const reasons = new Map<string, number>();
  for (const { missing: reason } of played.flatMap(({ replies }) => replies))
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  if (reasons.size === 0) return [];
  return [
    {
      title: 'What is missing',
      lead: 'Replies that never came, by reason. They count nowhere.',
      body: renderTable(['reason', 'replies'], [...reasons]),
    },
  ];
}
