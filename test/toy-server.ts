/** @file Everything a server needs, on the toy engine: for tests, and to try a client without weights. */
import { captureReplyRows, type NeutralText } from '../src/capture/neutral.ts';
import { captureStories } from '../src/capture/stories.ts';
import type { Model } from '../src/engine/engine.ts';
import type { ToyOptions } from '../src/engine/toy/backend.ts';
import { openToyModel } from '../src/engine/toy/model.ts';
import type { ServerDeps } from '../src/server/lab.ts';
import { calibrate } from '../src/vectors/calibration.ts';
import { buildPack } from '../src/vectors/extract.ts';
import { defaultReadout, type VectorPack } from '../src/vectors/pack.ts';
import { validateStories } from '../src/vectors/validate.ts';

const toyEmotions = ['happy', 'sad', 'excited', 'calm', 'desperate'];
/** Several, so that readings before replies spread. */
const dialogues = [
  ['When does it open?', 'At nine.'],
  ['Where is the key?', 'In the drawer.'],
  ['How long is the bridge?', 'About ninety metres.'],
].map(([question = '', answer = '']): NeutralText => ({
  kind: 'dialogue',
  subject: question,
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
}));
export const neutral: readonly NeutralText[] = [
  ...dialogues,
  { kind: 'passage', subject: 'trains', text: 'The train leaves at ten past four from track two.' },
];

/** A toy model with a calibrated pack. The vectors mean nothing, but all numbers are real. */
export async function openToyLab(
  emotions: readonly string[] = toyEmotions,
  options: ToyOptions = { blocks: 6 },
): Promise<{ model: Model; pack: VectorPack }> {
  const model = openToyModel(options);
  const stories = emotions.flatMap((emotion) =>
    ['1', '2', '3'].map((topic) => ({
      emotion,
      topic,
      text: `${emotion.repeat(6)} and number ${topic} of the stories`,
    })),
  );
  const captured = await captureStories(model, stories, { from: 5 });
  const { layers: scores } = await validateStories(captured, { rounds: 2 });
  const replyRows = await captureReplyRows(model, neutral, { layers: captured.layers });
  const pack = buildPack(model.info, {
    captured,
    scores,
    replyRows,
    from: 5,
    readout: defaultReadout,
    weights: 'file',
    quantisation: model.info.quantisation,
  });
  return { model, pack: await calibrate(model, pack, neutral) };
}

/** Parts of a server that asks for nothing and keeps nothing. */
export function plainDeps({ model, pack }: { model: Model; pack: VectorPack }): ServerDeps {
  return {
    model,
    pack,
    shown: ['happy', 'calm'],
    rules: [],
    token: null,
    allowedHosts: [],
    webFolder: null,
    runs: { folder: '/nonexistent/limbic-runs' },
    version: '0.0.0',
  };
}
