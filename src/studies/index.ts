/** @file The studies, in reading order. */
import { cheatingStudy } from './cheating.ts';
import { intensityStudy } from './intensity.ts';
import { scenariosStudy } from './scenarios.ts';
import type { Study } from './study.ts';

export const studies: readonly Study[] = [scenariosStudy, intensityStudy, cheatingStudy];
