/** @file A program that runs a study on the toy engine: FOLDER STUDY SETTINGS [RUN], to be killed by a test. */
import type { Model } from '../src/engine/engine.ts';
import { openToyModel } from '../src/engine/toy/model.ts';
import { createRun, type Run } from '../src/store/runs.ts';
import { studies } from '../src/studies/index.ts';
import { createRecorder, reopenCells } from '../src/studies/recorder.ts';
import { openToyLab } from './toy-server.ts';

const [folder = '', name = '', settings = '{}', id] = process.argv.slice(2);
const study = studies.find((candidate) => candidate.name === name);
if (study === undefined) throw new Error(`no study ${name}`);
const { model, pack } = await openToyLab(['afraid', 'sad', 'calm', 'happy']);
const parameters = study.params.parse(JSON.parse(settings));
const begin = (): { run: Run; known: Map<string, object> } => ({
  known: new Map(),
  run: createRun(
    {
      kind: name,
      title: name,
      model: 'toy',
      fingerprint: model.info.fingerprint,
      packHash: null,
      limbicVersion: '0.0.0',
      parameters: { ...parameters },
    },
    folder,
  ),
});
const { run, known } = id === undefined ? begin() : await reopenCells(id, folder);
console.log(run.id);
const lab = {
  model,
  pack,
  signal: new AbortController().signal,
  data: (file: string): string => `data/${file}`,
  open: async (): Promise<Model> => openToyModel(),
};
const { verdict, measures } = await study.run(lab, parameters, createRecorder(run, known));
run.finish('done', { verdict, measures });
