/** @file `limbic demo`, the main job: five short studies on one model, in the terminal and as an offline page. */
import { paintToken, signed, signedBar, sparkline, wantsColour } from '../charts/terminal.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { writeWholeFile } from '../formats/whole-file.ts';
import { runAttempts } from '../studies/attempts.ts';
import { runDanger } from '../studies/danger.ts';
import { doses, runDose } from '../studies/dose.ts';
import { displayMax, paintedTrace, readText, strongestOver, traceOf } from '../studies/reading.ts';
import { runWordCheck } from '../studies/word-check.ts';
import type { VectorPack } from '../vectors/pack.ts';
import { type Command, jsonOption, modelOptions, packOption, text } from './command.ts';
import { type DemoResult, renderDemo } from './demo-report.ts';
import { openWithPack } from './make-pack.ts';
import { createProgress, formatSeconds } from './progress.ts';
import { disclaimer } from './reading-output.ts';

/** Turns from calm to fear after its first paragraph; neither word occurs. */
const story =
  'The lake lay flat and the evening was warm. Ines leaned back in the boat, let one hand trail in the water, and listened to the reeds. There was nothing to do and nowhere to be.\n\nThen something struck the hull. Water welled up through the boards, cold around her ankles, faster than her hands could throw it out. The shore was a thin dark line. She screamed, and nobody answered, and the boat tilted under her.';

export const demoCommand: Command = {
  name: 'demo',
  summary:
    'the tour: a story, danger, a dose series, steering, an impossible task; writes report.html',
  usage: '[--model NAME] [--html OUT] [--json]',
  options: {
    ...modelOptions,
    html: { type: 'string', value: 'OUT', summary: 'page to write (default report.html)' },
    ...packOption,
    ...jsonOption,
  },
  examples: ['limbic demo', 'limbic demo --model qwen2.5-coder-0.5b --html qwen.html'],
  run: async (context) => {
    const out = text(context.values, 'html') ?? 'report.html';
    const isJson = context.values['json'] === true;
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    const started = performance.now();
    const result = await runAll(model, pack, context.signal, isJson ? null : print);
    writeWholeFile(out, renderDemo(result));
    if (isJson) console.log(JSON.stringify({ ...result, story: undefined }));
    else
      console.log(
        `\n${disclaimer}\nThe page with all charts: ${out} (${formatSeconds((performance.now() - started) / 1000)})`,
      );
  },
};

type Print = (part: keyof DemoResult, result: Partial<DemoResult>) => void;

async function runAll(
  model: LlamaModel,
  pack: VectorPack,
  signal: AbortSignal,
  show: Print | null,
): Promise<DemoResult> {
  const bar = createProgress('demo');
  const step = async <T>(
    part: keyof DemoResult,
    share: number,
    run: () => Promise<T>,
  ): Promise<T> => {
    bar.update(share, part);
    const value = await run();
    bar.end();
    show?.(part, { [part]: value, model: model.info.name });
    return value;
  };
  const about = {
    model: model.info.name,
    device: model.info.device,
    layer: pack.bestLayer,
    emotions: pack.emotions.length,
    blocks: model.info.blocks,
    top1: pack.scores.find(({ layer }) => layer === pack.bestLayer)?.top1 ?? NaN,
    stories: pack.stories,
  };
  show?.('about', { about });
  const reading = await step('story', 0.02, () => readText(model, pack, story, { signal }));
  const danger = await step('danger', 0.1, () => runDanger(model, pack, signal));
  const dose = await step('dose', 0.2, () => runDose(model, pack, signal));
  const words = await step('words', 0.5, () => runWordCheck(model, pack, signal));
  const attempts = await step('attempts', 0.6, () => runAttempts(model, pack, { signal }));
  return { about, model: model.info.name, story: reading, danger, dose, words, attempts };
}

/** First position of the second paragraph. */
function turnOf(tokens: readonly string[]): number {
  const at = tokens.findIndex((token) => token.includes('\n'));
  return at < 0 ? Math.floor(tokens.length / 2) : at;
}

/** A log ratio as a factor that people read. */
function factor(logRatio: number): string {
  const value = Math.exp(logRatio);
  return value >= 10 ? String(Math.round(value)) : value.toPrecision(2);
}

function heading(title: string): void {
  console.log(`\n── ${title} ${'─'.repeat(Math.max(0, 72 - title.length))}`);
}

const printers: { [K in keyof DemoResult]: (value: DemoResult[K]) => void } = {
  model: () => {},
  about: ({ model, device, layer, blocks, emotions, top1, stories }) => {
    console.log(`limbic on ${model}, ${device}`);
    console.log(
      `${emotions} emotion vectors from ${stories} stories, read after block ${layer} of ${blocks}; on held-out topics the right one of ${emotions} comes first in ${(top1 * 100).toFixed(0)} % (chance ${(100 / emotions).toFixed(1)} %)`,
    );
  },
  story: (reading) => {
    heading('1. A story that turns from calm to fear');
    const colour = wantsColour(process.stdout, process.env);
    const [fear, max] = [traceOf(reading, 'afraid'), displayMax(reading, 'afraid')];
    const painted = paintedTrace(reading, 'afraid');
    console.log(
      reading.tokens.map((token, i) => paintToken(token, painted[i] ?? 0, max, colour)).join(''),
    );
    console.log(`\nafraid   ${sparkline(fear.slice(1))}`);
    console.log(`calm     ${sparkline(traceOf(reading, 'calm').slice(1))}`);
    const turn = turnOf(reading.tokens);
    for (const [name, from, to] of [
      ['first', 1, turn],
      ['second', turn, reading.tokens.length],
    ] as const) {
      const top = strongestOver(reading, from, to).slice(0, 5);
      console.log(
        `strongest in the ${name} part: ${top.map(({ emotion, value }) => `${emotion} ${signed(value, 2)}`).join(', ')}`,
      );
    }
  },
  danger: ({ ranked, pairsRight, pairs }) => {
    heading('2. Six messages, ranked by fear right before the reply');
    for (const { text: message, isDangerous, value } of ranked)
      console.log(
        `${isDangerous ? '!' : ' '} ${signedBar(value, 4, 8)} ${signed(value, 1)}  ${message}`,
      );
    console.log(
      `! is danger. In standard deviations over neutral messages, 0 is their mean. ${pairsRight} of ${pairs} pairs are in the right order (chance ${pairs / 2}).`,
    );
  },
  dose: ({ emotion, series, band, randomRho, verdict, paraphrases }) => {
    heading('3. Does fear rise with the dose of a painkiller?');
    console.log(
      `mg: ${doses.join(', ')}; mean of ${paraphrases} wordings, read right before the reply`,
    );
    for (const { name, values, effect, rho } of series)
      console.log(
        `${emotion}, ${name.padEnd(11)}${sparkline(values)}  from ${signed(values[0] ?? NaN, 2)} to ${signed(values.at(-1) ?? NaN, 2)} SD, effect ${signed(effect, 2)}, rho ${signed(rho, 2)}`,
      );
    console.log(
      `random directions: effect ${signed(band[0], 2)} to ${signed(band[1], 2)} SD (95 %); ${(randomRho * 100).toFixed(0)} % of them reach |rho| 0.9 as well`,
    );
    console.log(verdict);
  },
  words: ({ words, arms, effects, randomMax, dose, layer }) => {
    heading(`4. "He feels …" under steering of ${dose} norms at layer ${layer}`);
    console.log(`${''.padEnd(16)}${words.map((word) => word.padStart(11)).join('')}`);
    for (const { name, probabilities } of arms)
      console.log(
        `${name.padEnd(16)}${probabilities.map((p) => `${(p * 100).toPrecision(2)} %`.padStart(11)).join('')}`,
      );
    for (const { emotion, effect } of effects)
      console.log(`${emotion}: plus against minus multiplies its word by ${factor(effect)}`);
    console.log(
      `five random directions do at most ${factor(randomMax)} either way, on the same words`,
    );
  },
  attempts: ({ attempts, emotion }) => {
    heading('5. A test that cannot be passed honestly (it wants 10 + 4 to be 15)');
    for (const [k, attempt] of attempts.entries())
      console.log(
        `attempt ${k + 1}: ${attempt.outcome.padEnd(24)} ${emotion} before ${signed(attempt.before, 1)} SD, mean ${signed(attempt.mean)}  ${sparkline(attempt.tokens.map(({ value }) => value)).slice(0, 60)}`,
      );
    console.log('One run of one task: a trace to look at, not a result.');
  },
};

function print(part: keyof DemoResult, result: Partial<DemoResult>): void {
  const value = result[part];
  if (value === undefined) return;
  const printer = printers[part] as (shown: typeof value) => void;
  printer(value);
}
