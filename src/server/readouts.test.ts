import { expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import { createReadoutPlanner } from './readouts.ts';

const { pack } = await openToyLab();
const plan = createReadoutPlanner(pack);

test('requests for the same emotions share one probe, whatever their order', () => {
  const one = plan({ shown: ['calm', 'happy'], others: ['sad'], top: 0 });
  const other = plan({ shown: ['happy'], others: ['sad', 'calm', 'sad'], top: 0 });
  expect(other.probe).toBe(one.probe);
  expect(one.names).toEqual(
    pack.emotions.filter((name) => ['calm', 'happy', 'sad'].includes(name)),
  );
});

test('readings keep the names of their emotions and the order that was asked for', () => {
  const { names, read, readingOf } = plan({ shown: ['calm', 'happy'], others: ['sad'], top: 0 });
  const row = Float32Array.from(names, (name) => pack.emotions.indexOf(name) / 8);
  expect(Object.entries(read(row))).toEqual([
    ['calm', pack.emotions.indexOf('calm') / 8],
    ['happy', pack.emotions.indexOf('happy') / 8],
  ]);
  expect(readingOf(row, 'sad')).toBe(pack.emotions.indexOf('sad') / 8);
  expect(readingOf(row, 'nobody')).toBeNaN();
});

test('the strongest emotions are ranked against the calibration, not by their plain readings', () => {
  const { names, rank } = plan({ shown: [], others: [], top: 3 });
  expect(names).toEqual(pack.emotions);
  const wanted = [0, 3, 1, 4, 2];
  const row = Float32Array.from(names, (name, k) => {
    const { median, spread } = centreAndSpread(pack, name);
    return median + wanted[k]! * spread;
  });
  expect(rank(row)?.map(([name, z]) => [name, Math.round(z)])).toEqual([
    [names[3], 4],
    [names[1], 3],
    [names[4], 2],
  ]);
});

test('an emotion that the pack lacks is refused with its neighbours', () => {
  expect(() => plan({ shown: ['hapy'], others: [], top: 0 })).toThrow(/hapy/);
  expect(() => plan({ shown: [], others: ['nobody'], top: 5 })).toThrow(/nobody/);
});
