/**
 * @file Makes committed results anew from the records of their runs, after the analysis has changed: no model writes or
 * reads anything that a record holds. Runs that are not on this machine are named and left as they are.
 *
 * Usage: node reproduce/again.mjs [MODEL [STUDY]]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const [onlyModel, onlyStudy] = process.argv.slice(2);
const home = process.env.LIMBIC_HOME ?? join(homedir(), '.cache/limbic');
const results = readdirSync('results', { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && (onlyModel ?? entry.name) === entry.name)
  .flatMap(({ name: model }) =>
    readdirSync(join('results', model))
      .filter((file) => file.endsWith('.json'))
      .map((file) => ({ model, study: file.slice(0, -'.json'.length) })),
  )
  .filter(({ study }) => (onlyStudy ?? study) === study);

for (const { model, study } of results) {
  const prefix = `results/${model}/${study}`;
  const { run, command } = JSON.parse(readFileSync(`${prefix}.json`, 'utf8'));
  const folder = join(home, 'runs', run);
  if (!existsSync(join(folder, 'events.jsonl'))) {
    console.error(`${prefix}: run ${run} is not here; reproduce/results.sh makes a new one`);
    continue;
  }
  console.error(prefix);
  const summary = join(folder, 'summary.json');
  const before = existsSync(summary) ? readFileSync(summary) : null;
  rmSync(summary, { force: true });
  const child = spawnSync('node', ['dist/cli/main.js', 'run', '--resume', run, '--yes', '--json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 30,
  });
  if (child.status !== 0) {
    if (before !== null) writeFileSync(summary, before);
    throw new Error(`${prefix}: run ${run} could not be made again`);
  }
  writeFileSync(`${prefix}.json.part`, child.stdout);
  const settings = /--set '([^']*)'/.exec(command)?.[1] ?? '';
  const judge = /--judge (\S+)/.exec(command)?.[1] ?? '';
  spawnSync('node', ['reproduce/keep-result.mjs', prefix, settings, judge], { stdio: 'inherit' });
}
