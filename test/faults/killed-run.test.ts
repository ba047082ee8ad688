/** @file `limbic run`, killed without warning at random moments and gone on with. */
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { startProviderServer } from '../provider-server.ts';
import { killAtRandom, killsOf, seed, temporary, timeFor } from './harness.ts';
import { answer, outcomeIn, runsIn, study } from './study.ts';

const homes = temporary();
const kills = killsOf(3);

test(
  `a study over an API killed ${kills} times (seed ${seed}) comes to the cells and numbers of one that nothing killed, and pays for few twice`,
  async () => {
    await using server = await startProviderServer({ answer, latency: 15 });
    const homeOf = (place: number | string): string => join(homes, `run-${place}`);
    const whole = await study(server, homeOf('whole')).ended;
    expect(whole.code, whole.err).toBe(0);
    const expected = await outcomeIn(homeOf('whole'));
    await killAtRandom(kills, {
      whole,
      begin: (place, kill) => study(server, homeOf(place), { kill }),
      check: (place) => expect(runsIn(homeOf(place)).length).toBeLessThanOrEqual(1),
      end: async (place, ended) => {
        // A kill right after the end leaves a run that is done.
        if (!ended.err.includes('expected one that is not done'))
          expect(ended.code, ended.err).toBe(0);
        expect(await outcomeIn(homeOf(place))).toEqual(expected);
      },
    });
    // Only replies that were under way at a kill are asked for again: at most as many as go at once.
    const twice = [...server.paid.values()].reduce((sum, times) => sum + times - 1, 0);
    expect(twice).toBeLessThanOrEqual(kills * server.mostAtOnce);
  },
  timeFor(kills),
);
