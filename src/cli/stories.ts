/** @file `limbic stories`: a corpus written by a model, and the check of any corpus. */
import { readFileSync } from 'node:fs';

import { apiWriter, parseChatApi } from '../capture/chat-api.ts';
import { loadStories } from '../capture/stories.ts';
import { corpusProblems, loadWordForms, storyProblems } from '../capture/story-rules.ts';
import {
  type Cell,
  loadTopics,
  localWriter,
  type WriteResult,
  writeStories,
} from '../capture/story-writer.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import {
  type Command,
  type Context,
  jsonOption,
  list,
  modelOptions,
  text,
  wholeNumber,
} from './command.ts';
import { corpusFile, openNamedModel } from './open-model.ts';
import { createProgress } from './progress.ts';

export const storiesCommand: Command = {
  name: 'stories',
  summary: 'write a corpus of stories with a model, or check one',
  usage: '--out FILE [--model NAME] [--emotions a,b] [--topics FILE] | --check FILE',
  description:
    'Every emotion with every topic; a story that names its emotion, is too short or too long, or repeats another is asked for again. Finished stories are kept, so that the same command goes on where it stopped.',
  options: {
    ...modelOptions,
    model: {
      ...modelOptions.model,
      summary:
        'writer: a model as for other commands, or compatible:URL#NAME (key in LIMBIC_API_KEY)',
    },
    out: { type: 'string', value: 'FILE', summary: 'JSONL to write or go on with' },
    emotions: { type: 'string', value: 'a,b', summary: 'only these (default: all 171)' },
    topics: {
      type: 'string',
      value: 'FILE',
      summary: 'lines of "id TAB subject" (default: the shipped 16)',
    },
    attempts: { type: 'string', value: 'N', summary: 'tries for each story (default 8)' },
    seed: { type: 'string', value: 'N', summary: 'seed (default 1)' },
    check: { type: 'string', value: 'FILES', summary: 'check a corpus and write nothing' },
    ...jsonOption,
  },
  examples: [
    'limbic stories --model qwen2.5-coder-0.5b --out mine.jsonl --emotions calm,desperate,afraid',
    'limbic stories --model compatible:http://127.0.0.1:11434/v1#llama3.2 --out mine.jsonl',
    'limbic stories --check mine.jsonl',
  ],
  run: async (context) => {
    const { values } = context;
    const check = text(values, 'check');
    if (check !== undefined) return checkCorpus(check.split(','), values['json'] === true);
    const out = text(values, 'out');
    if (out === undefined)
      throw new InvalidInputError('stories: expected --out FILE or --check FILE, got neither');
    const result = await write(context, out);
    const { written, resumed, tried, missing } = result;
    if (values['json'] === true) console.log(JSON.stringify(result));
    else {
      console.log(
        `${written} stories written in ${tried} tries, ${resumed} were there, ${missing.length} are missing: ${out}`,
      );
      for (const { cell, problem } of missing.slice(0, 10))
        console.log(`  missing: ${cell.emotion} on topic ${cell.topic} (${problem})`);
    }
    return missing.length === 0 ? 0 : 1;
  },
};

async function write(context: Context, out: string): Promise<WriteResult> {
  const { values, signal } = context;
  const cells = cellsOf(context);
  const bar = createProgress(`writing ${cells.length} stories`);
  const options = {
    out,
    forms: loadWordForms(corpusFile('forms.txt')),
    attempts: wholeNumber(values, 'attempts', { min: 1, max: 100, fallback: 8 }),
    seed: wholeNumber(values, 'seed', { min: 0, max: 2 ** 31, fallback: 1 }),
    signal,
    onProgress: (done: number, total: number, tried: number) =>
      bar.update(done / total, `${done} of ${total} in ${tried} tries`),
  };
  try {
    const api = parseChatApi(text(values, 'model') ?? '');
    if (api !== null) return await writeStories(cells, apiWriter(api), { ...options, batch: 4 });
    await using model = await openNamedModel(context);
    return await writeStories(cells, localWriter(model), options);
  } finally {
    bar.end();
  }
}

function cellsOf({ values }: Context): Cell[] {
  const known = readFileSync(corpusFile('emotions.txt'), 'utf8').trim().split('\n');
  const emotions = list(values, 'emotions') ?? known;
  for (const emotion of emotions)
    if (!known.includes(emotion)) throw new NotFoundError('emotion', emotion, known);
  const topics = loadTopics(text(values, 'topics') ?? corpusFile('topics.txt'));
  return emotions.flatMap((emotion) =>
    topics.map(({ topic, subject }) => ({ emotion, topic, subject })),
  );
}

function checkCorpus(paths: readonly string[], isJson: boolean): number {
  const stories = loadStories(paths);
  const forms = loadWordForms(corpusFile('forms.txt'));
  const problems = [
    ...stories.flatMap((story) =>
      storyProblems(story, forms).map((problem) => `${story.emotion} (${story.topic}): ${problem}`),
    ),
    ...corpusProblems(stories),
  ];
  const emotions = new Set(stories.map(({ emotion }) => emotion)).size;
  if (isJson) console.log(JSON.stringify({ stories: stories.length, emotions, problems }));
  else {
    for (const problem of problems) console.log(problem);
    console.log(
      `${stories.length} stories, ${emotions} emotions x ${stories.length / emotions} topics, crossed; ${problems.length} problems`,
    );
  }
  return problems.length === 0 ? 0 : 1;
}
