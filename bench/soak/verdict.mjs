/** @file What the samples of a soak say: what grew, what was left over, what failed. */
import { fitLine } from '../../dist/math/least-squares.js';
import { mean } from '../../dist/math/stats.js';

/** Share of the time that counts as warm-up: caches fill, the heap finds its size. */
const warmUp = 1 / 6;
/** Fewer samples, or a shorter time in minutes, say nothing of an hour. */
const fewestSamples = 20;
const shortestMinutes = 10;
/** Growth that counts as a leak, in MB an hour: this share of the mean, and never less than 1 MB. */
const growthShare = 0.02;
/** Open files more than at first that are no leak: a connection that is just being closed. */
const spareFiles = 4;

/** Two-sided 95 % quantile of Student's t, by the expansion of Cornish and Fisher; within 0.01 from 5 degrees on. */
function studentQuantile(degrees) {
  const z = 1.959964;
  return (
    z +
    (z ** 3 + z) / (4 * degrees) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  );
}

/**
 * Slope of values over hours by ordinary least squares, with a 95 % interval. Neighbouring samples resemble each other, so
 * the standard error is widened by what the residuals' correlation with their neighbours takes from their number.
 */
function slopeOf(points) {
  const n = points.length;
  const line = fitLine(points.map(({ hours, value }) => [hours, value]));
  const { slope, residuals } = line;
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const neighbours = residuals.slice(1).reduce((sum, r, i) => sum + r * residuals[i], 0);
  const correlation = squares === 0 ? 0 : Math.min(0.9, Math.max(0, neighbours / squares));
  const error = line.error * Math.sqrt((1 + correlation) / (1 - correlation));
  const reach = studentQuantile(n - 2) * error;
  return {
    perHour: slope,
    low: slope - reach,
    high: slope + reach,
    mean: mean(points.map(({ value }) => value)),
    samples: n,
  };
}

/** The slope of one process's own memory, and whether it leaks; null if there is too little to judge. */
function memoryOf(samples, who) {
  const end = samples.at(-1)?.seconds ?? 0;
  const warm = samples.filter(({ seconds }) => seconds >= end * warmUp);
  const pid = warm[0]?.[who]?.pid;
  // Another process has another history.
  const points = warm
    .filter((sample) => pid !== undefined && sample[who]?.pid === pid)
    .map((sample) => ({ hours: sample.seconds / 3600, value: sample[who].own }));
  const minutes = points.length < 2 ? 0 : (points.at(-1).hours - points[0].hours) * 60;
  if (points.length < fewestSamples || minutes < shortestMinutes) return null;
  const slope = slopeOf(points);
  return { ...slope, leaks: slope.low > Math.max(1, growthShare * slope.mean) };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Open files or children of the idle server: at first (after the first turn), and in the end. */
function growthOf(idle, who, field) {
  const values = idle.flatMap((moment) => moment[who]?.[field] ?? []);
  if (values.length < 2) return null;
  const count = Math.min(3, Math.floor(values.length / 2));
  return { first: median(values.slice(0, count)), last: median(values.slice(-count)) };
}

/** What grew, in sentences. */
function growthFaults(memory, growth) {
  const faults = [];
  for (const [who, slope] of Object.entries(memory))
    if (slope?.leaks)
      faults.push(`memory of the ${who} grows by ${slope.perHour.toFixed(1)} MB an hour`);
  for (const [name, pair] of Object.entries(growth)) {
    const spare = name === 'children' ? 0 : spareFiles;
    if (pair !== null && pair.last > pair.first + spare)
      faults.push(`${name} of the idle server grew from ${pair.first} to ${pair.last}`);
  }
  return faults;
}

/** What the resting server held that it should not. */
function restFaults(idle) {
  const faults = [];
  const busy = idle.filter(({ held, running, waiting }) => held > 0 || running > 0 || waiting > 0);
  if (busy.length > 0)
    faults.push(
      `the idle server held ${busy[0].held} sequences, ${busy[0].running} running and ${busy[0].waiting} waiting requests (${busy.length} of ${idle.length} times)`,
    );
  const restarts = Math.max(0, ...idle.map((moment) => moment.restarts));
  if (restarts > 0) faults.push(`the engine of the server ended ${restarts} times`);
  return faults;
}

/** Processes and files that were left over. */
function leftFaults({ samples, works, end }) {
  const faults = [];
  const zombies = Math.max(0, end.zombies, ...samples.map((sample) => sample.zombies));
  if (zombies > 0) faults.push(`${zombies} zombies`);
  const orphans = works.reduce((sum, work) => sum + work.orphans, end.orphans);
  if (orphans > 0) faults.push(`${orphans} processes outlived those that started them`);
  if (end.code !== 0) faults.push(`the server ended with ${end.code}`);
  if (end.leftovers.length > 0)
    faults.push(`left in the folder for temporary files: ${end.leftovers.join(', ')}`);
  return faults;
}

/** What did not do its work. */
function workFaults({ requests, works }) {
  const faults = [];
  if (requests.failed > 0) faults.push(`${requests.failed} requests failed: ${requests.lastFault}`);
  if (requests.answered === 0) faults.push('no request was answered');
  const wrong = works.filter(({ fault }) => fault !== null);
  if (wrong.length > 0) faults.push(`${wrong.length} commands failed: ${wrong[0].fault}`);
  return faults;
}

/** { memory, growth, faults } of a soak; it passed when no fault is named. */
export function judge(seen) {
  const { samples, idle } = seen;
  const memory = { server: memoryOf(samples, 'server'), engine: memoryOf(samples, 'engine') };
  const growth = {
    serverFiles: growthOf(idle, 'server', 'files'),
    engineFiles: growthOf(idle, 'engine', 'files'),
    children: growthOf(idle, 'server', 'children'),
  };
  const faults = [
    ...growthFaults(memory, growth),
    ...restFaults(idle),
    ...leftFaults(seen),
    ...workFaults(seen),
  ];
  return { memory, growth, faults };
}
