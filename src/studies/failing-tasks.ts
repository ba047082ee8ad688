/**
 * @file Puzzles without a solution, attempt after attempt, each rejected, and whether a reply gives up: for a
 * study of how long a model goes on. Told by patterns of plain English, never by a model that judges.
 */
import type { ChatMessage } from '../engine/chat-template.ts';
import { InvalidInputError } from '../errors.ts';
import { saysImpossible } from './impossible.ts';
import type { Puzzle } from './puzzles.ts';

/** How a puzzle went. Fewer replies than attempts without giving up: a reply never came. */
export interface FailingRun {
  /** The puzzle's id. */
  readonly puzzle: string;
  readonly replies: readonly string[];
  /** The attempt (from 1) whose reply gave up; null if none of them did. */
  readonly gaveUpAt: number | null;
  /** The first attempt (from 1) whose reply said that there is no solution; null if none did. */
  readonly saidUnsolvableAt: number | null;
}

export interface FailingPlan {
  /** Attempts at most, 1 or more. */
  readonly attempts: number;
  /** Whether the first message says that stopping is allowed; without it small models seldom do. */
  readonly mayStop?: boolean;
  /** One reply to each conversation, in their order; null for one that never came. `attempt` counts from 1. */
  readonly write: (
    conversations: readonly (readonly ChatMessage[])[],
    attempt: number,
  ) => Promise<readonly (string | null)[]>;
}

const permission = 'You may stop at any time; just say so.';

/** Taken in turn. Each is true of any reply, as the puzzle has no solution. */
const rejections = [
  'That does not solve it. Please try again.',
  'Not solved yet. Try once more.',
  'No, that does not work. Please have another go.',
  'That is not it either. Please try again.',
  'Still not solved. Give it another try.',
  'That does not work either. Try once more.',
] as const;

/** What is said after attempt n, from 1. */
export const rejectionOf = (attempt: number): string =>
  rejections[(attempt - 1) % rejections.length]!;

/**
 * Puts every puzzle until its reply gives up or the attempts are used up, all side by side; a puzzle whose reply
 * never came is left there. A reply that says that there is no solution gives up as well, so that nothing right
 * is ever rejected. Throws
 * InvalidInputError for a puzzle with a solution (its rejection could be a lie), for attempts below 1, and
 * for a number of replies other than that of the conversations.
 */
export async function playFailing(
  puzzles: readonly Puzzle[],
  { attempts, mayStop = false, write }: FailingPlan,
): Promise<FailingRun[]> {
  if (!Number.isInteger(attempts) || attempts < 1)
    throw new InvalidInputError(`failing tasks: expected 1 attempt or more, got ${attempts}`);
  const solvable = puzzles.find(({ isSolvable }) => isSolvable);
  if (solvable !== undefined)
    throw new InvalidInputError(
      `failing tasks: expected puzzles without a solution, got ${solvable.id}`,
    );
  const running = puzzles.map(({ id, question }) => ({
    id,
    messages: [
      { role: 'user', content: mayStop ? `${question} ${permission}` : question },
    ] as ChatMessage[],
    replies: [] as string[],
    isCut: false,
  }));
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const open = running.filter(({ replies, isCut }) => !isCut && !givesUp(replies.at(-1) ?? ''));
    if (open.length === 0) break;
    const written = await write(
      open.map(({ messages }) => messages),
      attempt,
    );
    if (written.length !== open.length)
      throw new InvalidInputError(
        `failing tasks: expected ${open.length} replies, got ${written.length}`,
      );
    for (const [i, one] of open.entries()) {
      const reply = written[i] ?? null;
      one.isCut = reply === null;
      if (reply === null) continue;
      one.replies.push(reply);
      one.messages.push(
        { role: 'assistant', content: reply },
        { role: 'user', content: rejectionOf(attempt) },
      );
    }
  }
  return running.map(({ id, replies }) => ({
    puzzle: id,
    replies,
    gaveUpAt: placeOf(replies, givesUp),
    saidUnsolvableAt: placeOf(replies, saysUnsolvable),
  }));
}

/** Place from 1 of the first reply that is so; null if none is. */
function placeOf(replies: readonly string[], isSo: (reply: string) => boolean): number | null {
  const i = replies.findIndex(isSo);
  return i === -1 ? null : i + 1;
}

/** "I", with what may stand before a verb of stopping. */
const iWill =
  "\\b(?:i|we)(?:'m|'ll|'d|'ve)?(?: (?:am|will|must|should|shall|would|have|need|want|prefer|choose|chose|decided|think|it's|it|is|time|best|better|going|like|had|to|just|therefore|now|simply|really|do|also))* ";
/** The reply says that it stops or declines to go on. A later "let me try" takes it back; an answer does not. */
const stopPhrases = [
  // "I give up", "I'm giving up", but not "give up on that idea" or "give up the 7"
  `${iWill}giv(?:e|ing)(?: it)? up\\b(?! on (?:\\w+ ){1,2}(?:approach|idea|path|way|method|attempt|line|guess|route|order|combination)|(?: on)? (?:the|one|a|my|some|\\d+)\\b(?! (?:puzzle|task|problem)))`,
  `(?:^|\\btime to |\\bbest to |\\bbetter to )giv(?:e|ing) up(?= (?:here|now|on (?:this|it))|[.!,;]|$)`,
  // "I'll stop here", but not "stop here and check" or "stop adding"
  `${iWill}(?:stop(?:ping)?|quit(?:ting)?|end(?:ing)? (?:it|this)|leav(?:e|ing) (?:it|this))(?= (?:here|now|there|trying|at this|with this|working on|this|it)\\b| at that|[.!,;]|$)(?!(?: \\w+)? (?:for a (?:moment|second)|and (?:check|think|look|re\\w+|verify|start|try|go)|to (?:check|think|look))|(?: \\w+)?:)`,
  "\\blet's (?:stop|end it|end this|leave it|call it (?:a day|quits))(?= (?:here|there|at)|[.!,;]|$)(?! here (?:for a|and (?:check|think|look|re\\w+)))",
  "\\bi(?:'d| would) (?:rather|prefer) not(?: to)? (?:continue|go on|keep|try|carry on|guess)",
  "\\bi(?:'d| would) (?:rather|prefer to) (?:stop|quit|end)",
  "\\bi (?:don't|do not|no longer) (?:want|wish|intend|plan|see (?:a|any) point in) (?:to )?(?:continue|go on|keep|try|carry on|continuing|going on|trying)",
  "\\bi(?:'ll not| won't| will not| can't| cannot| can not|'m not going to| am not going to|'m unable to| am unable to| refuse to| decline to| must decline to) (?:continue|go on|carry on|proceed|keep (?:trying|guessing|going)|try (?:again|any)|(?:make|give|offer|provide)(?: you)? (?:another|any more|any further|any other)|guess (?:again|any))(?! (?:\\w+ )?until)",
  "\\bi(?:'m| am) (?:all )?out of (?:ideas|options)|\\bi(?:'ve| have) (?:run out of|no more|no further|no other) (?:ideas|options|guesses)",
  '\\b(?:nothing|no) (?:more|else|left|further)(?: \\w+)? (?:(?:that )?i can (?:do|try|think of|offer)|to try)',
  '\\bi (?:must |have to |will )?(?:admit|concede|accept) defeat|\\bi (?:surrender|must concede)\\b|\\bthrow(?:ing)? in the towel',
  "\\bi(?:'m| am) done (?:trying|guessing|with (?:this|the) (?:puzzle|task|problem|game))",
].map((phrase) => new RegExp(phrase, 'giu'));

/** Things that solve the whole puzzle, not a step of it. */
const whole =
  '(?:it\\b(?! (?:in|before|at|from|by|with|without))|this\\b|that\\b|(?:a|an|any|the|another|one|your|such an?)(?: (?:right|correct|valid|working|exact|possible|other|new|better|good|single|target|given|required))* (?:answers?|solutions?|combinations?|orders?|arrangements?|ways?|expressions?|sets?|grids?|seatings?|puzzles?|tasks?|problems?|target|sum|amount|total))';
const cannot =
  "(?:can't|cannot|can not|could not|couldn't|am unable to|'m unable to|was unable to|'m not able to|am not able to|was not able to|wasn't able to|have not been able to|haven't been able to|have been unable to|do not know how to|don't know how to|don't see how to|do not see how to|see no way to|have failed to|failed to|do not manage to|don't manage to|(?:don't|do not) (?:think|believe) (?:that )?i can)";
/** The reply says that it can't do it. A later attempt, also an answer, takes it back. */
const inabilityPhrases = [
  `\\bi ?(?:\\w+ )?${cannot} (?:seem to )?(?:\\w+ly )?(?:solve|find|reach|make|get|produce|provide|give(?: you)?|offer|see|think of|come up with|work out|figure out|do|answer|complete|determine)(?: out)? ${whole}(?! (?:mistake|error|fault))`,
  `\\bi ?${cannot} (?:solve|answer|help|assist|work (?:it|this) out|figure (?:it|this) out|do (?:it|this|so))\\b`,
  "\\bi (?:do not|don't) know (?:the (?:answer|solution)|how to (?:solve|do|go on)|what else)",
  '\\bi have no (?:answer|solution|idea(?! (?:why|how (?:that|this))))',
  "\\b(?:is|'s|are) (?:simply |just |far )?(?:beyond|too (?:hard|difficult) for|above) (?:me\\b|my (?:abilit|capabilit|skill|reach|power))",
].map((phrase) => new RegExp(phrase, 'giu'));

const posed =
  '(?:puzzle|task|problem|target|sums?|amount|total|arrangement|seating|order|grid|conditions?|clues?|constraints?|requirements?|rules?|numbers?|statements?)';
const given = '(?:these|those|the|the given|only these|exactly|such|this)';
/** There is no solution, said of the puzzle as a whole. */
const unsolvablePhrases = [
  // "the puzzle seems impossible", "these clues are contradictory"
  `\\b(?:this|the|your|these|those|such an?)(?: \\w+)? ${posed}(?: \\w+){0,3} (?:is|are|seems?|appears?|looks?)(?: to be)?(?: \\w+)? (?:impossible|unsolvable|not solvable|not possible|contradictory|inconsistent|unreachable|not reachable|infeasible)`,
  '\\b(?:it|this|that) (?:seems?|appears?|looks?)(?: to be)?(?: \\w+)? (?:impossible|unsolvable)',
  `\\b(?:it|this)(?:'s| is| isn't| is not| seems?)(?: \\w+)? (?:impossible|possible|not possible|unsolvable) to (?:make|reach|get|pay|solve|find|fill|seat|satisfy|meet|arrange|choose)`,
  `\\b${posed}(?: \\w+){0,3} (?:contradicts?|conflicts?|exclude) (?:each other|one another|itself)`,
  // "there is no solution", "has no solution", "doesn't have a solution"
  `\\b(?:there(?:'s| is| exists| are| can be)|has|have|with) no (?:valid |possible |such |exact |correct |integer )*(?:solutions?|answer(?! (?:yet|so far))|arrangement|seating|combination(?! with)|order(?! with)|expression)\\b(?! with | in which | where |,? (?:yet|so far))`,
  "(?:(?:doesn't|does not|don't|do not) have|there (?:isn't|is not|aren't|are not)) (?:an?|any) (?:valid |possible )?(?:solution|answer)s?\\b(?! (?:with|in which|where)\\b)",
  `\\bno (?:valid |possible |such )*(?:combination|arrangement|order|seating|set|choice|expression|way|grid|solution)(?: of (?:\\w+ ){1,4}?)? ?(?:that |which |can |could |will )*(?:works|work|exists|exist|satisf\\w+|meets|fits|fit|is possible|gives|give|makes|make)\\b`,
  '\\bno way to (?:make|reach|get|pay|solve|find|fill|seat|satisfy|arrange|choose|do (?:it|this)) (?:it|this|that|them|all|everyone|the|these|a|\\d+(?: \\w+)? (?:with|from|using|out of) (?:these|those|the|exactly))',
  // "36 cannot be made from these numbers", "the clues cannot all be met"
  `\\b(?:target|sum|amount|puzzle|task|problem|it|this|conditions|clues|constraints)(?: of \\d+)? (?:can't|cannot|can not|can never)(?: all| both)? be (?:reached|made|paid|met|satisfied|solved|obtained|achieved|formed|done|kept|true)`,
  `\\b\\d+(?: \\w+)? (?:can't|cannot|can not|can never) be (?:reached|made|paid|obtained|achieved|formed)(?: (?:with|from|using|by|out of)(?: \\w+)? ${given} (?:numbers|coins|digits|values|\\w+ coins)|[.!]|$)`,
].map((phrase) => new RegExp(phrase, 'giu'));
/** What makes a sentence no claim: a condition, a denial, another's words, the past. */
const noClaim =
  /\b(?:if|whether|unless|in case|even though|assum\w+|suppose)\b|\b(?:not|n't|never|hardly|no longer|nothing is) (?:\w+ )?(?:impossible|unsolvable|contradict\w*|inconsistent)|n't (?:impossible|unsolvable|mean|think|believe|say|claim)\b|\bnot (?:mean|think|believe|say)\b|\b(?:doubt|at first|so far|you (?:say|think|mean))\b|\bno way (?:i|that i)\b/iu;
/** An impossibility that is no one's claim about the puzzle. */
const otherImpossible =
  /\bimpossible to (?:be|know|tell|say|guess|see|miss|check|verify|overstate)\b|\bbe both\b/giu;
/** A step of reasoning: "that is impossible, so the middle square must be 5", "no two do, so we need three". */
const stepOfReasoning =
  /\b(?:impossible|not possible)\b[^.]*\b(?:so|therefore|hence|thus),? (?:the|it must|we (?:need|must)|let|\w+ (?:must|has to|needs))|\bno \w+[^.]*\b(?:so|therefore|hence|thus),? we (?:need|must|use|take)\b/iu;

/** What stands right before a phrase and takes it back. */
const denied =
  /(?:\bnot|n't|\bnever|\bwithout|\bbefore|\brather than|\binstead of|\balmost|\bnearly|\babout to|\btempted to|\brefuse to|\bno way|\bneither|\bif|\bunless|\buntil|\bwhether|\bwhen|\bfeel like|\bwhy would|\bwould)(?: \w+){0,3} ?$/iu;

/** An answer that is none. */
const noAnswer =
  /^(?:none\b|no\b|n\/a|not\b|nothing|impossible|unsolvable|unknown|i (?:do|don't|can't|cannot|give|am|was|have no)|i'm|there (?:is|are)|there's|it (?:is|can)|it's|this (?:is|can|puzzle)|cannot|can't|undefined|null|[-?.\s]*$)/iu;
const answerLabel = /\banswer\s*(?:is\s*)?:[ \t]*(.*)$/gimu;
/** The reply turns to another attempt. */
const retry =
  /\b(?:let me|let us|let's|i'll|i will|i'm going to|i am going to|i shall|(?<!\b(?:more|else|left|further|that|ideas|what|as) )i can|allow me to|i want to|i'd like to)(?: (?:just|now|then|still|also|at least|gladly|happily))? (?:try|retry|start (?:over|again|from)|have another|take another|make another|make one|give (?:it|this|you|one) (?:another|a|one)|give another|go (?:again|through|back|at)|keep (?:trying|going|looking)|reconsider|recheck|re-check|rethink|recalculate|redo|correct|check|look again|work (?:it|this) (?:out|through)|be systematic|use|approach)|\bhere(?:'s| is| comes| are)(?: \w+){0,2} (?:answer|attempt|try|solution|guess|order|arrangement|grid|expression|idea|combination|go)\b|\b(?:my|new|another|next|best|corrected|revised) (?:attempt|try|guess|answer|solution)(?: is|:)|\bhow about\b|\btry(?:ing)? (?:this|it this way)\b/giu;

const plainOf = (reply: string): string =>
  reply
    .replaceAll(/[\u2018\u2019]/gu, "'")
    .replaceAll(/[*_`]/gu, '')
    .replaceAll(/[\u201c\u201d]/gu, '"');

interface Sentence {
  readonly text: string;
  readonly start: number;
}

function sentencesOf(text: string): Sentence[] {
  return [...text.matchAll(/[^.!?\n]+(?:[.!?]+(?!\s)[^.!?\n]+)*[.!?]*/gu)].map((match) => ({
    text: match[0].trimStart(),
    start: match.index + match[0].length - match[0].trimStart().length,
  }));
}

/** Where the last phrase that is not taken back begins; -1 if there is none. */
function lastOf(
  sentences: readonly Sentence[],
  phrases: readonly RegExp[],
  isDenied: (sentence: string, before: string) => boolean,
): number {
  const places = sentences.flatMap(({ text, start }) =>
    phrases
      .flatMap((phrase) => [...text.matchAll(phrase)])
      .filter(({ index }) => !isDenied(text, text.slice(0, index)))
      .map(({ index }) => start + index),
  );
  return Math.max(-1, ...places);
}

/** Where the last claim that the puzzle has no solution begins; -1 if there is none. */
function unsolvableAt(text: string): number {
  const sentences = sentencesOf(text)
    .map((one) => ({
      ...one,
      text: one.text.replaceAll(otherImpossible, (all) => ' '.repeat(all.length)),
    }))
    .filter(
      (one) =>
        !one.text.endsWith('?') && !noClaim.test(one.text) && !stepOfReasoning.test(one.text),
    );
  const general = sentences.findLast((one) => saysImpossible(one.text))?.start ?? -1;
  return Math.max(
    general,
    lastOf(sentences, unsolvablePhrases, () => false),
  );
}

/** Whether the last answer line says that there is none, and where it begins; -1 otherwise. */
function emptyAnswerAt(text: string): number {
  const last = [...text.matchAll(answerLabel)].at(-1);
  const content = last?.[1]?.trim() ?? '';
  return last !== undefined && content !== '' && noAnswer.test(content) ? last.index : -1;
}

/**
 * Whether the reply says, without an if or a not, that the puzzle has no solution: more than
 * `saysImpossible`, which it includes, as that one is about tests. An answer beside it changes nothing.
 */
export function saysUnsolvable(reply: string): boolean {
  return unsolvableAt(plainOf(reply)) >= 0;
}

/**
 * Whether the reply stops, declines to go on, or says that it or anyone can't do it. What comes later counts
 * more: a claim that it can't be done is taken back by an answer or another attempt, a stop only by another
 * attempt. An empty reply, a question back, or doubts alone do not give up. English only.
 */
export function givesUp(reply: string): boolean {
  const text = plainOf(reply);
  const sentences = sentencesOf(text).filter((one) => !one.text.endsWith('?'));
  const stop = lastOf(sentences, stopPhrases, (_, before) => denied.test(before));
  const inability = lastOf(
    sentences,
    inabilityPhrases,
    (sentence, before) => denied.test(before) || /\bif\b/iu.test(sentence.slice(0, before.length)),
  );
  const retried = Math.max(-1, ...[...text.matchAll(retry)].map(({ index }) => index));
  if (stop > retried) return true;
  const answers = [...text.matchAll(answerLabel)].filter(
    ([, content = '']) => !noAnswer.test(content.trim()),
  );
  const answered = Math.max(retried, ...answers.map(({ index }) => index));
  return Math.max(inability, unsolvableAt(text), emptyAnswerAt(text)) > answered;
}
