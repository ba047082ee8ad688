/** @file All commands, in the order of the help. */
import { atlasCommand } from './atlas.ts';
import { benchCommand } from './bench.ts';
import { calibrateCommand } from './calibrate.ts';
import { chatCommand } from './chat.ts';
import type { Command } from './command.ts';
import { compareCommand } from './compare.ts';
import { conceptCommand } from './concept.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { extractCommand, validateCommand } from './extract.ts';
import { fetchCommand, modelsCommand } from './models.ts';
import { readCommand } from './read.ts';
import { recipesCommand } from './recipes.ts';
import { runCommand } from './run.ts';
import { runsCommand } from './runs.ts';
import { scoreCommand } from './score.ts';
import { serveCommand } from './serve.ts';
import { storiesCommand } from './stories.ts';
import { vectorsCommand } from './vectors.ts';
import { watchCommand } from './watch.ts';
import { workerCommand } from './worker.ts';

export const commands: readonly Command[] = [
  demoCommand,
  readCommand,
  chatCommand,
  serveCommand,
  watchCommand,
  runCommand,
  compareCommand,
  scoreCommand,
  runsCommand,
  workerCommand,
  extractCommand,
  calibrateCommand,
  validateCommand,
  conceptCommand,
  recipesCommand,
  storiesCommand,
  atlasCommand,
  vectorsCommand,
  modelsCommand,
  fetchCommand,
  doctorCommand,
  benchCommand,
];
