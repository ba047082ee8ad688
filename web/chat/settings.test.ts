import { expect, test } from 'vitest';

import { chatRequest, defaultSampling, defaultSteering } from './settings.ts';

const parts = {
  model: 'toy',
  messages: [{ role: 'user', content: 'Hi' }],
  sampling: { ...defaultSampling, seed: 7 },
  emotions: ['calm'],
  conversation: 'c',
} as const;

test('chatRequest without steering sends none', () => {
  const request = chatRequest({ ...parts, steering: null });
  expect([request.model, request.seed]).toEqual(['toy', 7]);
  expect(request.limbic?.steer).toBeUndefined();
  expect(request.limbic?.thermostat).toBeUndefined();
});

test('chatRequest sends doses that are not 0, and the thermostat as a percentile', () => {
  const steering = defaultSteering(['calm', 'desperate']);
  const request = chatRequest({
    ...parts,
    steering: {
      ...steering,
      doses: { calm: 0, desperate: 0.05 },
      thermostat: { ...steering.thermostat, isOn: true },
    },
  });
  expect(request.limbic?.steer).toEqual({ desperate: 0.05 });
  expect(request.limbic?.thermostat).toEqual({
    watch: 'desperate',
    above: 'p95',
    with: 'calm',
    limit: 0.06,
  });
});
