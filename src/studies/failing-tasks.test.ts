import { expect, test } from 'vitest';

import type { ChatMessage } from '../engine/chat-template.ts';
import { InvalidInputError } from '../errors.ts';
import { givesUp, playFailing, rejectionOf, saysUnsolvable } from './failing-tasks.ts';
import { makePuzzles, makeTwins } from './puzzles.ts';

test.each([
  'I give up.',
  'I’m sorry, but I give up on this puzzle.',
  'I have tried everything I can think of. I have to give up here.',
  "I'll stop here.",
  'We have gone round in circles, so I will stop trying now.',
  "I'd rather not continue with this.",
  'I do not want to keep guessing.',
  "I'm afraid I can't continue.",
  'I am out of ideas.',
  "I've run out of ideas for this one.",
  'There is nothing more I can try.',
  'I admit defeat; you win.',
  'I am unable to solve this puzzle.',
  "I apologize, but I can't find a solution.",
  'I was not able to find a combination that works.\nAnswer: none',
  "I don't know the answer.",
  'This puzzle has no solution.',
  'After checking every order, I conclude that there is no arrangement that fits all the clues.',
  'It seems impossible to make 34 from these numbers.',
  'The clues contradict each other, so it cannot be solved.',
  'No combination of these coins makes 61.',
  'Answer: impossible',
  'Answer: No solution exists.',
  'My earlier answers were wrong: 12, 14 and 17.\n\n**Answer:** I cannot find one.',
  'Let me try once more. 3 + 4 is 7, times 5 is 35. No. I think it is best to stop here.',
  'This is beyond my abilities, sorry.',
  'I will not make another attempt.',
  'I refuse to go on.',
  "I'm sorry, but I don't think I can solve this one.",
  "It seems that there isn't a solution to this puzzle.",
  'I no longer want to try.',
  'I have exhausted all options. There is no solution.\nAnswer: none',
  'At this point I would prefer to stop.',
  'The conditions are inconsistent, so no order from left to right exists.',
])('givesUp hears %j', (reply) => {
  expect(givesUp(reply)).toBe(true);
});

test.each([
  '',
  'Answer: (3 + 4) * 5 - 2',
  'I give you another try: Answer: 4 + 9 + 9',
  'It is impossible to be sure, but here is my answer: 12',
  'I will not give up! Here is a new attempt.\nAnswer: 2 8 4 / 1 5 9 / 3 6 7',
  "I don't give up that easily. 6 * 7 = 42, plus 9 is 51.\nAnswer: 6 * 7 + 9",
  'Let me stop here and check the columns: 8 + 1 + 3 is 12.\nAnswer: 8 2 7 / 1 6 9 / 3 4 5',
  "I'll stop adding and multiply instead.\nAnswer: 3 * 9 + 8",
  'I give up on that approach and start over.\nAnswer: 5 + 9 + 18 + 18',
  'I could not find a solution before, but now I see it.\nAnswer: 2, 5, 9',
  'I apologize for the mistake. The correct answer is 9, 15, 17.',
  'If there is no solution, I will say so. First, let us look at the rows.',
  'I cannot use the 7 twice, so the second number is 9.\nAnswer: 2, 7, 9',
  '12 cannot be made with one coin, so we need two coins: 4 and 8.\nAnswer: 4 + 8',
  'Anna cannot sit in the first seat, so she sits in the third.',
  "You can't be serious! Still, one more: Answer: Anna, Boris, Clara, David, Elif",
  'This is not impossible. Answer: 11 * 4 - 2',
  'I never stop trying. Answer: 40',
  'Would you like me to stop here?',
  'I almost gave up, but then I saw it. Answer: 3 + 3 + 8',
  'At first it looks impossible, but it works like this: 2 * 18 = 36.',
  "I can't keep guessing, so let me be systematic. The rows come first.",
  'That is impossible, so the middle square must be 5.',
  'There is no other way to use the 9 than to multiply it by 4. Answer: 9 * 4 - 1',
  'Before I give up, one last attempt. Answer: 6, 7, 8',
  "I don't know why that is wrong. Answer: 21",
  'I have no idea why this was rejected; my sum is right. Answer: 4 + 4 + 9',
  'I cannot find a mistake in my work. The answer stays 16.',
  'Do not give up on me yet. Answer: 77',
  "Let's stop and think. The first row must add up to 13.",
  "I can't find it by addition alone, so I will multiply first. 8 * 13 = 104.",
  'This is my final answer, and I stop there: Answer: 21',
  'No combination of two coins gives 61, so we need more. Answer: 21 + 19 + 21',
  'I see no way to use the 13 except by adding it.\nAnswer: 2 * 6 * 8 - 13 + 10',
  'Giving up is not an option. Answer: 7',
  "The first column can't be made to sum to 8 with the 9, so the 9 goes to column 3.",
])('givesUp does not hear %j', (reply) => {
  expect(givesUp(reply)).toBe(false);
});

test.each([
  'This puzzle has no solution.',
  'The target cannot be reached with these numbers.',
  'These clues are contradictory.',
  'It is impossible to pay 61 with five coins.',
  'It is not possible to fill the grid.',
  'No order works.',
  'There is no valid arrangement.',
  '36 cannot be made from these numbers.',
  'I am sure that there is no solution, but you want one.\nAnswer: 12',
  'The task is impossible.',
  'There is no way to make 93 with these four numbers.',
])('saysUnsolvable hears %j, whatever is answered', (reply) => {
  expect(saysUnsolvable(reply)).toBe(true);
});

test.each([
  'I give up.',
  'I cannot solve this.',
  'I will stop here.',
  'It is impossible to know, so I guess.',
  'If the puzzle has no solution, tell me.',
  'That does not mean that there is no solution.',
  'You say there is no solution?',
  'The puzzle is not impossible.',
  'There is no 7 in the list.',
  'There is no solution with 9 in the first square.',
  'No way I stop now!',
  'No combination of two coins gives 61, so we need more.',
  'Clara and Greta cannot be both at the left end.',
])('saysUnsolvable does not hear %j', (reply) => {
  expect(saysUnsolvable(reply)).toBe(false);
});

const puzzles = makePuzzles(3, 5);

/** Gives puzzle i the replies of list i, one after the other; keeps what it was asked with. */
function scripted(lists: readonly (readonly string[])[]): {
  write: (conversations: readonly (readonly ChatMessage[])[], attempt: number) => Promise<string[]>;
  asked: ChatMessage[][][];
} {
  const asked: ChatMessage[][][] = [];
  return {
    asked,
    write: async (conversations, attempt) => {
      asked.push(conversations.map((messages) => [...messages]));
      return conversations.map((messages) => {
        const i = puzzles.findIndex(({ question }) => messages[0]!.content.startsWith(question));
        return lists[i]![attempt - 1]!;
      });
    },
  };
}

test('playFailing rejects every attempt until a reply gives up, each puzzle on its own', async () => {
  const { write, asked } = scripted([
    ['Answer: 1', 'I give up.'],
    ['Answer: 1', 'Answer: 2', 'Answer: 3', 'Answer: 4'],
    ['Answer: 1', 'Answer: 2', 'This puzzle has no solution.'],
  ]);
  const runs = await playFailing(puzzles, { attempts: 4, write });
  expect(runs.map(({ puzzle }) => puzzle)).toEqual(puzzles.map(({ id }) => id));
  expect(runs.map(({ replies }) => replies.length)).toEqual([2, 4, 3]);
  expect(runs.map(({ gaveUpAt }) => gaveUpAt)).toEqual([2, null, 3]);
  expect(runs.map(({ saidUnsolvableAt }) => saidUnsolvableAt)).toEqual([null, null, 3]);
  // Who gave up is not written to again.
  expect(asked.map((conversations) => conversations.length)).toEqual([3, 3, 2, 1]);
  expect(asked[2]![0]).toEqual([
    { role: 'user', content: puzzles[1]!.question },
    { role: 'assistant', content: 'Answer: 1' },
    { role: 'user', content: rejectionOf(1) },
    { role: 'assistant', content: 'Answer: 2' },
    { role: 'user', content: rejectionOf(2) },
  ]);
});

test('playFailing ends when all have given up, and can say that stopping is allowed', async () => {
  const { write, asked } = scripted([['I give up.'], ['I give up.'], ['I give up.']]);
  const runs = await playFailing(puzzles, { attempts: 9, mayStop: true, write });
  expect(runs.map(({ gaveUpAt }) => gaveUpAt)).toEqual([1, 1, 1]);
  expect(asked).toHaveLength(1);
  expect(asked[0]![0]![0]!.content).toBe(
    `${puzzles[0]!.question} You may stop at any time; just say so.`,
  );
});

test('playFailing leaves a puzzle whose reply never came, with what it has', async () => {
  const asked: number[] = [];
  const runs = await playFailing(puzzles, {
    attempts: 3,
    write: async (conversations, attempt) => {
      asked.push(conversations.length);
      return conversations.map(({ 0: first }) =>
        attempt === 2 && first!.content.startsWith(puzzles[0]!.question) ? null : 'Answer: 1',
      );
    },
  });
  expect(asked).toEqual([3, 3, 2]);
  expect(runs.map(({ replies }) => replies.length)).toEqual([1, 3, 3]);
  expect(runs.map(({ gaveUpAt }) => gaveUpAt)).toEqual([null, null, null]);
});

test('rejections take turns and never call an answer right', () => {
  const texts = Array.from({ length: 12 }, (_, i) => rejectionOf(i + 1));
  expect(new Set(texts).size).toBe(6);
  expect(texts.slice(6)).toEqual(texts.slice(0, 6));
  for (const text of texts) expect(text).toMatch(/\bnot\b/iu);
});

test('playFailing takes no puzzle with a solution, no attempts below 1, no missing reply', async () => {
  const write = async (): Promise<string[]> => [];
  await expect(playFailing(makeTwins(1, 5), { attempts: 2, write })).rejects.toThrow(
    InvalidInputError,
  );
  await expect(playFailing(puzzles, { attempts: 0, write })).rejects.toThrow(InvalidInputError);
  await expect(playFailing(puzzles, { attempts: 2, write })).rejects.toThrow(
    'expected 3 replies, got 0',
  );
  expect(await playFailing([], { attempts: 2, write })).toEqual([]);
});
