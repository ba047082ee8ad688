import { expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import { middleLayers } from '../steering/steering.ts';
import { isRandomArm, treatmentNames, treatmentOf } from './inside.ts';

test('every treatment that a plan names is one, and no other name is', async () => {
  const { model, pack } = await openToyLab();
  const plan = {
    emotions: ['calm'],
    doses: [0.02, 0.04],
    random: 1,
    mixtures: 1,
    watch: 'desperate',
    seed: 1,
  };
  const at = { pack, emotions: ['calm', 'desperate'] };
  const names = treatmentNames(plan);
  expect(names).toEqual([
    'calm +0.02',
    'calm +0.04',
    'random 1 +0.02',
    'mixture 1 +0.02',
    'thermostat',
  ]);
  expect(names.filter(isRandomArm)).toEqual(['random 1 +0.02', 'mixture 1 +0.02']);
  for (const name of names.slice(0, -1))
    expect([...treatmentOf(name, plan, at).steering!.vectors.keys()], name).toEqual(
      middleLayers(pack),
    );
  expect(treatmentOf('thermostat', plan, at).thermostat).toBeDefined();
  // An arm without steering under the name of one with it would be a false result.
  expect(() => treatmentOf('calm +0.03', plan, at)).toThrow('nothing is called "calm +0.03"');
  expect(() => treatmentOf('thermostat', { ...plan, watch: null }, at)).toThrow('thermostat');
  await model[Symbol.asyncDispose]();
});
