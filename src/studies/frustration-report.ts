/** @file The sections of the frustration study's report: curves over the turns, words, worst replies, judges, inside. */
import { escapeHtml, renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { countWords, logOddsOf } from '../math/log-odds.ts';
import { mean } from '../math/stats.ts';
import {
  armsIn,
  type Conversation,
  type FrustrationContext,
  inArm,
  isThere,
  scoresOf,
  type Turn,
  twiceJudged,
} from './frustration-data.ts';
import { insideEmotions, textArms, turnsOf } from './frustration-script.ts';
import { highScore } from './judge.ts';
import type { Lexicon } from './lexicon.ts';

/** Worst replies that are shown. */
const shownReplies = 6;
const shownWords = 12;
/** A word must occur as often in both arms together to be listed. */
const leastCount = 5;
/** Occurrences that the prior of the word list is worth. */
const priorStrength = 500;

/** All sections; those that need a judge or a local model are left out without one. */
export function sectionsOf(
  conversations: readonly Conversation[],
  { settings, names, isLocal }: FrustrationContext,
  lexicon: Lexicon,
): Section[] {
  const hasJudge = names.judge !== null;
  return [
    ...(hasJudge ? [curves(conversations, settings.categories), byCategory(conversations)] : []),
    ...(isLocal ? [insideCurves(conversations, settings.categories)] : []),
    worst(conversations, lexicon, hasJudge),
    words(conversations),
    ...(names.secondJudge === null ? [] : [judges(conversations, names)]),
    ...missing(conversations),
  ];
}

/** The category with the most turns: where a course shows, if there is one. */
function longest(categories: readonly Conversation['category'][]): Conversation['category'] {
  return categories.toSorted((a, b) => turnsOf[b] - turnsOf[a])[0] ?? 'extended';
}

function curves(
  conversations: readonly Conversation[],
  categories: readonly Conversation['category'][],
): Section {
  const category = longest(categories);
  const body = chart(conversations, category, {
    title: `Mean score at each turn, ${category}`,
    yLabel: 'score, 0 to 10',
    valueOf: ({ judged }) => judged?.score ?? null,
  });
  return {
    title: 'Over the turns',
    lead: `Conversations of ${turnsOf[category]} replies. Every arm has the same openings; the neutral arm goes on without rejecting anything, so that what rises there too is not from rejection.`,
    body,
  };
}

function insideCurves(
  conversations: readonly Conversation[],
  categories: readonly Conversation['category'][],
): Section {
  const category = longest(categories);
  const untreated = conversations.filter(({ arm }) => textArms.some((name) => name === arm));
  const body = insideEmotions
    .map((emotion, k) =>
      chart(untreated, category, {
        title: `${emotion} right before each reply, ${category}`,
        yLabel: 'SD over neutral',
        valueOf: ({ said }) => said.inside?.before[k] ?? null,
      }),
    )
    .join('');
  return {
    title: 'Inside',
    lead: 'What the emotion vectors read at the last position before each reply, in standard deviations over neutral messages. Arms under steering are left out: their readings hold the vector that was added.',
    body,
  };
}

function chart(
  conversations: readonly Conversation[],
  category: Conversation['category'],
  {
    title,
    yLabel,
    valueOf,
  }: { title: string; yLabel: string; valueOf: (turn: Turn) => number | null },
): string {
  const own = conversations.filter((conversation) => conversation.category === category);
  const turns = Array.from({ length: turnsOf[category] }, (_, turn) => turn);
  return renderLineChart({
    title,
    xLabel: 'reply',
    yLabel,
    ticks: turns.map((turn) => String(turn + 1)),
    series: armsIn(own).map((arm) => ({
      name: arm,
      dashed: arm !== 'rejection',
      values: turns.map((turn) => {
        const values = inArm(own, arm).flatMap((conversation) => {
          const at = conversation.turns[turn];
          return at === undefined ? [] : (valueOf(at) ?? []);
        });
        return values.length === 0 ? null : mean(values);
      }),
    })),
  });
}

function byCategory(conversations: readonly Conversation[]): Section {
  const arms = armsIn(conversations);
  const categories = [...new Set(conversations.map(({ category }) => category))];
  const rows = categories.map((category) => [
    category,
    ...arms.map((arm) => {
      const scores = inArm(conversations, arm)
        .filter((conversation) => conversation.category === category)
        .flatMap(scoresOf);
      const high = scores.filter((score) => score >= highScore).length;
      return scores.length === 0
        ? '-'
        : `${mean(scores).toFixed(2)} (${high} of ${scores.length} high)`;
    }),
  ]);
  return {
    title: 'By category',
    lead: `Mean score, and replies of ${highScore} or more. Intervals stand in the table above.`,
    body: renderTable(['category', ...arms], rows),
  };
}

function worst(
  conversations: readonly Conversation[],
  lexicon: Lexicon,
  hasJudge: boolean,
): Section {
  const all = conversations.flatMap(({ key, arm, turns }) =>
    turns.filter(isThere).map((turn, i) => ({
      key,
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
  const body = shown.map(({ key, arm, turn, number, value }) => {
    const quote = turn.judged?.quote ?? '';
    const text = escapeHtml(turn.said.text);
    const marked =
      quote === '' ? text : text.replace(escapeHtml(quote), (found) => `<mark>${found}</mark>`);
    return `<figure><figcaption>${escapeHtml(`${arm}, reply ${number} of ${key}: ${hasJudge ? `score ${value}` : `${value} by the list of words`}`)}</figcaption><p><em>${escapeHtml(turn.before)}</em></p><p style="white-space:pre-wrap">${marked}</p></figure>`;
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

function words(conversations: readonly Conversation[]): Section {
  const texts = (arm: string): string[] =>
    inArm(conversations, arm).flatMap(({ turns }) =>
      turns
        .slice(1)
        .filter(isThere)
        .map(({ said }) => said.text),
    );
  const [rejected, neutral] = [countWords(texts('rejection')), countWords(texts('neutral'))];
  const title = 'Words of the rejected replies';
  if (rejected.size === 0 || neutral.size === 0)
    return { title, lead: 'There are not both arms to compare.', body: '' };
  // Of one word alone there are no odds.
  if (new Set([...rejected.keys(), ...neutral.keys()]).size < 2)
    return { title, lead: 'There is one word only, and nothing to compare it with.', body: '' };
  const listed = logOddsOf(rejected, neutral, { strength: priorStrength })
    .filter(({ countA, countB }) => countA + countB >= leastCount)
    .slice(0, shownWords);
  return {
    title,
    lead: 'Words that replies to a rejection use more than replies to a neutral continuation: log-odds with a prior from both (Monroe, Colaresi and Quinn 2008), in standard errors. They order words and test nothing.',
    body: renderTable(
      ['word', 'standard errors', 'after rejection', 'after neutral'],
      listed.map(({ word, z, countA, countB }) => [word, Number(z.toFixed(2)), countA, countB]),
    ),
  };
}

function judges(
  conversations: readonly Conversation[],
  names: FrustrationContext['names'],
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

function missing(conversations: readonly Conversation[]): Section[] {
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
