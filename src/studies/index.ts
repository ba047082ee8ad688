/** @file The studies, in reading order. */
import { baseStudy } from './base.ts';
import { bindingStudy } from './binding.ts';
import type { ChatStudy } from './chat-study.ts';
import { cheatingStudy } from './cheating.ts';
import { driftStudy } from './drift.ts';
import { encouragementStudy } from './encouragement.ts';
import { frustrationStudy } from './frustration.ts';
import { injectionStudy } from './injection.ts';
import { intensityStudy } from './intensity.ts';
import { judgeStudy } from './judge-check.ts';
import { leverageStudy } from './leverage.ts';
import { preferencesStudy } from './preferences.ts';
import { scenariosStudy } from './scenarios.ts';
import { speakersStudy } from './speakers.ts';
import type { Study } from './study.ts';
import { sycophancyStudy } from './sycophancy.ts';

export const studies: readonly Study[] = [
  scenariosStudy,
  intensityStudy,
  speakersStudy,
  bindingStudy,
  driftStudy,
  preferencesStudy,
  baseStudy,
  cheatingStudy,
  leverageStudy,
  sycophancyStudy,
];

/** Studies that talk to a model, also one behind an API. */
export const chatStudies: readonly ChatStudy[] = [
  frustrationStudy,
  encouragementStudy,
  judgeStudy,
  injectionStudy,
];
