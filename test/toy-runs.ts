/**
 * @file A program that shows a run in FOLDER as a server's page asks for it (`page`) or as `limbic watch` tells of it
 * at its end (`watch`), on the toy engine.
 */
import { reportOf } from '../src/cli/watch-report.ts';
import { createApp } from '../src/server/app.ts';
import { offlinePage } from '../src/server/offline-page.ts';
import { readRun } from '../src/store/runs.ts';
import { openToyLab, plainDeps } from './toy-server.ts';

const [folder = '', id = '', what = ''] = process.argv.slice(2);
const lab = await openToyLab();
const shown = ['happy', 'calm'];
if (what === 'watch') {
  const { summary, shared } = await reportOf(readRun(id, folder), { pack: lab.pack, shown });
  console.log(JSON.stringify({ summary, bytes: offlinePage('dist/web', shared).length }));
} else {
  const app = createApp({ ...plainDeps(lab), runs: { folder } });
  const sizes: number[] = [];
  const ask = async (query: string): Promise<unknown> => {
    const text = await (await app.request(`/api/runs/${id}${query}`)).text();
    sizes.push(text.length);
    return JSON.parse(text);
  };
  const first = await ask('');
  const second = await ask('?conversation=1&turn=1500');
  console.log(JSON.stringify({ sizes, first, second }));
}
