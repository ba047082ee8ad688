/** @file The commands that a soak runs one after another while the server rests, and what they leave behind. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { marked, measure, measureBelow } from './processes.mjs';

const limbic = 'dist/cli/main.js';
const emotions = ['afraid', 'blissful', 'bored', 'furious', 'proud', 'serene'];

/** Work on the real engine: a study, a reading, an extraction, its validation, and a study that is killed. */
export function realWork(folder) {
  const stories = join(folder, 'stories.jsonl');
  const lines = readFileSync('data/corpus/stories.jsonl', 'utf8').split('\n');
  const chosen = lines.filter((line) =>
    emotions.some((emotion) => line.includes(`"emotion": "${emotion}"`)),
  );
  writeFileSync(stories, `${chosen.join('\n')}\n`);
  const pack = join(folder, 'soak.safetensors');
  const settings = 'paraphrases=2;random=10;maps=1';
  const study = ['run', 'intensity', '--set', settings, '--yes', '--json'];
  const text = 'Footsteps came up the cellar stairs. She held her breath as the handle turned.';
  return [
    { name: 'study', args: [limbic, ...study] },
    { name: 'read', args: [limbic, 'read', '--text', text, '--json'] },
    {
      name: 'extract',
      args: [limbic, 'extract', '--stories', stories, '--out', pack, '--weights', 'file', '--json'],
      // Else it would find that everything is done.
      before: () => rmSync(`${pack}.means`, { force: true }),
    },
    { name: 'validate', args: [limbic, 'validate', pack, '--stories', stories, '--json'] },
    { name: 'killed study', args: [limbic, ...study], isKilled: true },
  ];
}

/** For the toy engine: a study by a program of the tests, which is killed, and a command that needs no model. */
export function toyWork(folder, built) {
  const study = [join(built, 'toy-study.js'), join(folder, 'runs'), 'intensity'];
  const settings = JSON.stringify({ paraphrases: 2, random: 10, maps: 1 });
  return [
    { name: 'killed study', args: [...study, settings], isKilled: true },
    { name: 'vectors', args: [limbic, 'vectors', '--show', 'calm', '--json'] },
  ];
}

/** What a command said last: the error where there is one, else its last line. */
function lastOf(words) {
  const lines = words.trim().split('\n');
  return lines.findLast((line) => /error|limbic:/i.test(line)) ?? lines.at(-1);
}

/**
 * Runs one command to its end, or kills it without warning after `killAfter` ms. Returns { name, seconds, own, orphans, fault };
 * `own` is the most memory in MB that it and all below it held, as looked at every half second.
 */
export async function runWork(work, { env, id, serverPid, patience, killAfter }) {
  work.before?.();
  const began = performance.now();
  const child = spawn('node', work.args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    words = (words + text).slice(-2000);
  });
  let own = 0;
  const look = setInterval(() => {
    const all = [measure(child.pid), ...measureBelow(child.pid)];
    own = Math.max(
      own,
      all.reduce((sum, one) => sum + (one?.own ?? 0), 0),
    );
  }, 500);
  const killer =
    killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  const code = await new Promise((resolve) => {
    child.once('close', (status, signal) => resolve(signal ?? status));
  });
  clearInterval(look);
  clearTimeout(killer);
  const isRight = code === 0 || (killAfter !== undefined && code === 'SIGKILL');
  return {
    name: work.name,
    seconds: (performance.now() - began) / 1000,
    own,
    orphans: await orphansOf(id, serverPid, patience),
    fault: isRight ? null : `${work.name} ended with ${code}: ${lastOf(words)}`,
  };
}

/** Number of processes of this soak that are not the server's, so many seconds after their parents ended; they are ended. */
export async function orphansOf(id, serverPid, patience) {
  for (let tries = 0; ; tries++) {
    const own = new Set([serverPid, ...measureBelow(serverPid).map(({ pid }) => pid)]);
    const others = marked(id).filter((pid) => !own.has(pid));
    if (others.length === 0) return 0;
    if (tries >= patience * 10) {
      for (const pid of others) process.kill(pid, 'SIGKILL');
      return others.length;
    }
    await wait(100);
  }
}
