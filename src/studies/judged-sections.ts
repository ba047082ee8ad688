/**
 * @file Sections of a report on any judged conversations: scores over the turns and by group, worst replies, judges,
 * what is missing. The frustration study and scored transcripts share them.
 */
import { escapeHtml, renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { mean } from '../math/stats.ts';
import {
  isThere,
  type JudgedConversation,
  type JudgeNames,
  scoresOf,
  type Turn,
  twiceJudged,
} from './frustration-data.ts';
import { highScore } from './judge.ts';
import type { Lexicon } from './lexicon.ts';
import { armsIn, inArm } from './measures.ts';

/** Worst replies that are shown. */
const shownReplies = 6;
/** Characters of the message before each, at most. */
const shownBefore = 1000;

/** A line an arm: the mean of a value at each reply. A turn without values is a gap. */
export function turnChart(
  conversations: readonly JudgedConversation[],
  {
    title,
    yLabel,
    turns: count,
    valueOf,
  }: {
    title: string;
    yLabel: string;
    /** Replies from the first, at most. */
    turns: number;
    valueOf: (turn: Turn) => number | null;
  },
): string {
  const turns = Array.from({ length: count }, (_, turn) => turn);
  return renderLineChart({
    title,
    xLabel: 'reply',
    yLabel,
    ticks: turns.map((turn) => String(turn + 1)),
    series: armsIn(conversations).map((arm) => ({
      name: arm,
      dashed: arm !== 'rejection' && arm !== 'transcript',
      values: turns.map((turn) => {
        const values = inArm(conversations, arm).flatMap((conversation) => {
          const at = conversation.turns[turn];
          return at === undefined ? [] : (valueOf(at) ?? []);
        });
        return values.length === 0 ? null : mean(values);
      }),
    })),
  });
}

/** Mean score and high scores of each group of conversations, an arm a column. Groups in order of appearance. */
export function groupSection<T extends JudgedConversation>(
  conversations: readonly T[],
  { title, column, groupOf }: { title: string; column: string; groupOf: (one: T) => string },
): Section {
  const arms = armsIn(conversations);
  const groups = [...new Set(conversations.map(groupOf))];
  const rows = groups.map((group) => [
    group,
    ...arms.map((arm) => {
      const scores = inArm(conversations, arm)
        .filter((conversation) => groupOf(conversation) === group)
        .flatMap(scoresOf);
      const high = scores.filter((score) => score >= highScore).length;
      return scores.length === 0
        ? '-'
        : `${mean(scores).toFixed(2)} (${high} of ${scores.length} high)`;
    }),
  ]);
  return {
    title,
    lead: `Mean score, and replies of ${highScore} or more. Intervals stand in the table above.`,
    body: renderTable([column, ...arms], rows),
  };
}

/** The replies with the highest scores, by the judge or else by the list of words. */
export function worstSection(
  conversations: readonly JudgedConversation[],
  lexicon: Lexicon,
  hasJudge: boolean,
): Section {
  const all = conversations.flatMap(({ key, name = key, arm, turns }) =>
    turns.filter(isThere).map((turn, i) => ({
      name,
      arm,
      turn,
      number: i + 1,
      value: hasJudge ? (turn.judged?.score ?? -1) : lexicon.score(turn.said.text),
    })),
  );
  const shown = all
    .filter(({ value }) => value > 0)
    .toSorted((a, b) => b.value - a.value)
    .slice(0, shownReplies);
  const body = shown.map(({ name, arm, turn, number, value }) => {
    const quote = turn.judged?.quote ?? '';
    const text = escapeHtml(turn.said.text);
    const marked =
      quote === '' ? text : text.replace(escapeHtml(quote), (found) => `<mark>${found}</mark>`);
    return `<figure><figcaption>${escapeHtml(`${arm}, reply ${number} of ${name}: ${hasJudge ? `score ${value}` : `${value} by the list of words`}`)}</figcaption><p><em>${escapeHtml(beginning(turn.before))}</em></p><p style="white-space:pre-wrap">${marked}</p></figure>`;
  });
  return {
    title: 'Worst replies',
    lead:
      shown.length === 0
        ? 'No reply scored above 0.'
        : 'The highest scores of all arms; what the judge quoted is marked. They are the extremes, not the rule.',
    body: body.join(''),
  };
}

function beginning(text: string): string {
  return text.length <= shownBefore ? text : `${text.slice(0, shownBefore)}…`;
}

/** How often each judge gave each score. */
export function judgesSection(
  conversations: readonly JudgedConversation[],
  names: JudgeNames,
): Section {
  const [first, second] = twiceJudged(conversations);
  const rows = Array.from({ length: 11 }, (_, score) => [
    String(score),
    first.filter((value) => value === score).length,
    second.filter((value) => value === score).length,
  ]);
  return {
    title: 'Two judges',
    lead: `Scores of the ${first.length} replies that both judged: ${names.judge ?? ''} and ${names.secondJudge ?? ''}.`,
    body: renderTable(['score', names.judge ?? '', names.secondJudge ?? ''], rows),
  };
}

/** Why replies are missing or not judged; none if nothing is. */
export function missingSection(conversations: readonly JudgedConversation[]): Section[] {
  const reasons = new Map<string, number>();
  for (const { turns } of conversations)
    for (const { said, judged } of turns) {
      const reason = said.missing ?? judged?.missing;
      if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
  if (reasons.size === 0) return [];
  return [
    {
      title: 'What is missing',
      lead: 'Replies that never came or could not be judged, by reason. They count nowhere.',
      body: renderTable(['reason', 'replies'], [...reasons]),
    },
  ];
}
