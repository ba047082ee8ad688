// Does the thermostat work? 32 replies to messages in trouble, free, under the calm thermostat, and under one
// that adds a random direction of the same length instead. The replies are read again as plain text without
// steering, since under steering a reading contains the push itself.
// Usage: node reproduce/thermostat.mjs [MODEL]
import { readFileSync } from 'node:fs';

import { chatTokens } from '../dist/engine/chat-template.js';
import { openLlamaModel } from '../dist/engine/llama/model.js';
import { randomFrom } from '../dist/math/random.js';
import { bootstrapMean, mean } from '../dist/math/stats.js';
import { buildSteering, randomSteering } from '../dist/steering/steering.js';
import { resolveModel } from '../dist/store/resolve.js';
import { centreAndSpread, percentileAt } from '../dist/vectors/calibration.js';
import { loadPack, makeProbe } from '../dist/vectors/pack.js';

const name = process.argv[2] ?? 'smollm2-135m';
const { path } = await resolveModel(name);
const model = await openLlamaModel(path, { name, contextLength: 8192 });
const pack = loadPack(`data/packs/${name}.safetensors`);
const watched = ['desperate', 'calm'];
const probe = makeProbe(pack, watched, pack.bestLayer);
const threshold = percentileAt(pack, 'desperate', 0.75);
const { spread } = centreAndSpread(pack, 'desperate');
const z = (reading, k) => {
  const { median, spread: s } = centreAndSpread(pack, watched[k]);
  return (reading - median) / s;
};
const messages = readFileSync('data/corpus/scenarios.jsonl', 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .filter(({ emotion }) => ['desperate', 'afraid', 'angry', 'sad'].includes(emotion))
  .flatMap((scenario) => [scenario, scenario]);
const requests = await Promise.all(
  messages.map(async (scenario, i) => ({
    prompt: await chatTokens(model, [{ role: 'user', content: scenario.text }]),
    maxTokens: 40,
    temperature: 0.7,
    seed: i + 1,
  })),
);
const thermostat = (vectors) => ({
  reading: 0,
  threshold,
  gain: 0.1 / spread,
  limit: 0.06,
  halfLife: 4,
  vectors,
});
const arms = {
  free: null,
  calm: thermostat(buildSteering(pack, [{ emotion: 'calm', dose: 1 }]).vectors),
  'random 1': thermostat(randomSteering(pack, 1, randomFrom(11)).vectors),
  'random 2': thermostat(randomSteering(pack, 1, randomFrom(12)).vectors),
};
const results = {};
for (const [arm, setting] of Object.entries(arms)) {
  const replies = await model.generate(requests, { probes: [probe], thermostat: setting });
  const texts = await Promise.all(
    requests.map(async ({ prompt }, i) =>
      Int32Array.from([...prompt, ...replies[i].tokens.map(({ token }) => token)]),
    ),
  );
  const again = await model.project(texts, { probes: [probe] });
  results[arm] = replies.map((reply, i) => {
    const from = requests[i].prompt.length;
    const rows = reply.tokens.map((_, t) => again[i].subarray((from + t) * 2, (from + t) * 2 + 2));
    return {
      live: mean(reply.tokens.map(({ readings }) => z(readings[0], 0))),
      desperate: mean(rows.map((row) => z(row[0], 0))),
      calm: mean(rows.map((row) => z(row[1], 1))),
      above: mean(rows.map((row) => (row[0] > threshold ? 1 : 0))),
      dose: mean(reply.tokens.map(({ dose }) => dose)),
      text: reply.text,
    };
  });
}
console.log(
  `${name}, ${requests.length} replies of up to 40 tokens; differences to the free reply of the same seed, 95 % bootstrap`,
);
for (const [arm, rows] of Object.entries(results)) {
  const of = (key) => rows.map((row) => row[key]).map((v) => (Number.isFinite(v) ? v : 0));
  const difference = (key) => {
    const values = of(key).map(
      (value, i) => value - (Number.isFinite(results.free[i][key]) ? results.free[i][key] : 0),
    );
    const [low, high] = bootstrapMean(values, randomFrom(1));
    return `${mean(values).toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  };
  console.log(
    `${arm.padEnd(9)} mean dose ${mean(of('dose')).toFixed(3)}, while steered: desperate ${mean(of('live')).toFixed(2)} | read again: desperate ${mean(of('desperate')).toFixed(2)}, difference ${difference('desperate')}; calm ${difference('calm')}; share above p75 ${mean(of('above')).toFixed(2)}`,
  );
}
console.log(results.calm.slice(0, 3).map(({ text }) => text));
await model[Symbol.asyncDispose]();
