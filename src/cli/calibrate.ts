/** @file `limbic calibrate`: the quantiles of readings on neutral text, for thresholds and scales. */
import { loadTranscripts } from '../capture/neutral.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { centreAndSpread, percentileAt } from '../vectors/calibration.ts';
import { type VectorPack, writePack } from '../vectors/pack.ts';
import {
  type Command,
  type Context,
  jsonOption,
  modelOptions,
  packOption,
  text,
} from './command.ts';
import { calibrateWithProgress, openWithPack } from './make-pack.ts';
import { cachedPackPath, corpusFile } from './open-model.ts';

export const calibrateCommand: Command = {
  name: 'calibrate',
  summary: 'how readings spread on neutral text: the scale and the percentiles of thresholds',
  usage: '[--texts FILE] [--out PACK]',
  description:
    'A pack that limbic makes is calibrated on 120 neutral texts. Calibrate on texts of your own field (an agent at quiet work, say) when thresholds should be relative to those. FILE has one {"messages": [...]} a line, as an OpenAI transcript.',
  options: {
    ...modelOptions,
    ...packOption,
    texts: {
      type: 'string',
      value: 'FILE',
      summary: 'JSONL of transcripts (default: the neutral texts)',
    },
    out: {
      type: 'string',
      value: 'PACK',
      summary: "where the calibrated pack goes (default: --pack, or limbic's cache)",
    },
    ...jsonOption,
  },
  examples: [
    'limbic calibrate',
    'limbic calibrate --texts quiet-runs.jsonl --out agent.safetensors',
  ],
  run: async (context) => {
    const { values } = context;
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    const calibrated = await calibrateWithProgress(model, pack, {
      texts: loadTranscripts(text(values, 'texts') ?? corpusFile('neutral.jsonl')),
      signal: context.signal,
    });
    const out = text(values, 'out') ?? text(values, 'pack') ?? cachedPackPath(model.info.name);
    writePack(out, calibrated);
    const rows = calibrated.emotions.map((emotion) => ({
      emotion,
      ...centreAndSpread(calibrated, emotion),
      p95: percentileAt(calibrated, emotion, 0.95),
      p99: percentileAt(calibrated, emotion, 0.99),
    }));
    const { texts = 0, tokens = 0 } = calibrated.calibration ?? {};
    if (values['json'] === true) {
      console.log(
        JSON.stringify({ out, layer: pack.bestLayer, texts, tokens, emotions: rows }, null, 2),
      );
      return;
    }
    console.log(`${texts} texts, ${tokens} positions read at layer ${pack.bestLayer}: ${out}`);
    console.log(`${'emotion'.padEnd(16)}   median   spread      p95      p99`);
    for (const row of rows)
      console.log(
        row.emotion.padEnd(16) +
          [row.median, row.spread, row.p95, row.p99].map((v) => v.toFixed(4).padStart(9)).join(''),
      );
  },
};

/** The model and its vectors, calibrated now if they never were. */
export async function openCalibrated(
  context: Pick<Context, 'values' | 'signal'>,
): Promise<{ model: LlamaModel; pack: VectorPack }> {
  const { model, pack } = await openWithPack(context);
  if (pack.quantiles.length > 0) return { model, pack };
  try {
    const texts = loadTranscripts(corpusFile('neutral.jsonl'));
    const { signal } = context;
    const calibrated = await calibrateWithProgress(model, pack, { texts, signal });
    writePack(text(context.values, 'pack') ?? cachedPackPath(model.info.name), calibrated);
    return { model, pack: calibrated };
  } catch (error) {
    // An open engine would keep the program from its end.
    await model[Symbol.asyncDispose]();
    throw error;
  }
}
