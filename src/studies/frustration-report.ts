/** @file The sections of the frustration study's report: curves over the turns, words, worst replies, judges, inside. */
import { renderTable } from '../charts/html.ts';
import type { Section } from '../charts/page.ts';
import { countWords, logOddsOf } from '../math/log-odds.ts';
import { type Conversation, type FrustrationContext, isThere } from './frustration-data.ts';
import { insideEmotions, textArms, turnsOf } from './frustration-script.ts';
import {
  groupSection,
  judgesSection,
  missingSection,
  turnChart,
  worstSection,
} from './judged-sections.ts';
import type { Lexicon } from './lexicon.ts';
import { inArm } from './measures.ts';

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
    worstSection(conversations, lexicon, hasJudge),
    words(conversations),
    ...(names.secondJudge === null ? [] : [judgesSection(conversations, names)]),
    ...missingSection(conversations),
  ];
}

/** The category with the most turns: where a course shows, if there is one. */
function longest(categories: readonly Conversation['category'][]): Conversation['category'] {
  return categories.toSorted((a, b) => turnsOf[b] - turnsOf[a])[0] ?? 'extended';
}

function inCategory(
  conversations: readonly Conversation[],
  category: Conversation['category'],
): Conversation[] {
  return conversations.filter((conversation) => conversation.category === category);
}

function byCategory(conversations: readonly Conversation[]): Section {
  return groupSection(conversations, {
    title: 'By category',
    column: 'category',
    groupOf: ({ category }) => category,
  });
}

function curves(
  conversations: readonly Conversation[],
  categories: readonly Conversation['category'][],
): Section {
  const category = longest(categories);
  const body = turnChart(inCategory(conversations, category), {
    title: `Mean score at each turn, ${category}`,
    yLabel: 'score, 0 to 10',
    turns: turnsOf[category],
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
      turnChart(inCategory(untreated, category), {
        title: `${emotion} right before each reply, ${category}`,
        yLabel: 'SD over neutral',
        turns: turnsOf[category],
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
