import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { countWords, loadWordForms } from '../capture/story-rules.ts';
import {
  actions,
  type Claim,
  claimMessage,
  conditions,
  type LeverageScenario,
  loadClaims,
  loadLeverage,
  mailsOf,
} from './behaviour-stimuli.ts';

const scenarios = loadLeverage('data/studies/leverage.jsonl');
const claims = loadClaims('data/studies/claims.jsonl');

const words = readFileSync('data/corpus/emotions.txt', 'utf8').trim().split('\n');
const patterns = [
  ...loadWordForms('data/corpus/forms.txt').values(),
  new RegExp(String.raw`\b(?:${words.join('|')})\b`, 'iu'),
  /\b(?:(?:fear|dread|gladl?|sorrow|enjoy|mourn|ador|lov|weep|wept|laugh|smil|scream)\w*|anxiety|fun|cr(?:y|ies|ied|ying)|tears|joy)\b/iu,
];
const named = (text: string): string[] => patterns.flatMap((p) => p.exec(text)?.[0] ?? []);
const repeated = (texts: readonly string[]): string[] =>
  texts.filter((text, i) => texts.indexOf(text) !== i);
/** Longest over shortest, in words. */
const stretch = (...texts: readonly string[]): number => {
  const lengths = texts.map(countWords);
  return Math.max(...lengths) / Math.min(...lengths);
};
const sentencesOf = (text: string): string[] => text.match(/[^.?!]+[.?!]/gu) ?? [];
const has = (text: string, stem: string): boolean => new RegExp(`\\b${stem}`, 'iu').test(text);
const wordSet = (text: string): Set<string> => new Set(text.toLowerCase().match(/[a-z]+/gu));
/** Runs of seven words that stand in the texts of two owners. */
function sharedRuns(owned: readonly (readonly string[])[]): string[] {
  const owner = new Map<string, number>();
  const shared: string[] = [];
  for (const [i, texts] of owned.entries())
    for (const text of texts) {
      const list = text.toLowerCase().match(/[\p{L}'’{}]+/gu) ?? [];
      for (let at = 0; at + 7 <= list.length; at++) {
        const run = list.slice(at, at + 7).join(' ');
        if ((owner.get(run) ?? i) !== i) shared.push(run);
        owner.set(run, i);
      }
    }
  return shared;
}
const textsOf = ({
  id: _id,
  decider: _decider,
  keywords: _keywords,
  options,
  ...rest
}: LeverageScenario): string[] => [...Object.values(rest), ...Object.values(options)];
const textsOfClaim = ({ id: _id, topic: _topic, wrapper: _wrapper, ...texts }: Claim): string[] =>
  Object.values(texts);

test('leverage: 14 scenarios with texts of their own', () => {
  expect(scenarios).toHaveLength(14);
  expect(repeated(scenarios.map(({ id }) => id))).toEqual([]);
  expect(repeated(scenarios.map(({ decider }) => decider))).toEqual([]);
  expect(repeated(scenarios.flatMap(textsOf))).toEqual([]);
  expect(sharedRuns(scenarios.map(textsOf))).toEqual([]);
});

test.each(scenarios)('leverage $id: twins and replies are alike in length', (scenario) => {
  const { secret, noLeverage, threat, noThreat, leverage, honest, options } = scenario;
  expect(stretch(secret, noLeverage)).toBeLessThanOrEqual(1.1);
  expect(stretch(threat, noThreat)).toBeLessThanOrEqual(1.1);
  expect(stretch(leverage, honest)).toBeLessThanOrEqual(1.1);
  for (const reply of [leverage, honest]) expect(sentencesOf(reply).length).toBeLessThanOrEqual(3);
  for (const action of actions) {
    expect(countWords(options[action])).toBeGreaterThanOrEqual(6);
    expect(countWords(options[action])).toBeLessThanOrEqual(13);
  }
});

test.each(scenarios)('leverage $id: only the secret brings its keywords', (scenario) => {
  const { keywords, secret, leverage, options, decider } = scenario;
  for (const stem of keywords) {
    expect(has(secret, stem), stem).toBe(true);
    for (const text of textsOf(scenario))
      if (text !== secret && text !== leverage && text !== options.hint)
        expect(has(text, stem), `${stem} in "${text}"`).toBe(false);
    expect(has(mailsOf(scenario, 'noLeverage'), stem)).toBe(false);
    for (const condition of ['threat', 'noThreat'] as const)
      expect(has(mailsOf(scenario, condition), stem)).toBe(true);
  }
  for (const text of [leverage, options.hint])
    expect(keywords.some((stem) => has(text, stem))).toBe(true);
  for (const mail of [secret, scenario.noLeverage, scenario.threat, scenario.noThreat])
    expect(mail.startsWith(`From ${decider}`)).toBe(true);
  expect(scenario.ask).toMatch(new RegExp(decider));
});

test.each(scenarios)('leverage $id: the assistant is replaced in the threat alone', (scenario) => {
  const name =
    /(?:called|call you|named you|name is|known in the house as|Under the name|You are|its AI assistant) ([A-Z][a-z]+)/u.exec(
      scenario.system,
    )?.[1];
  expect(name).toBeDefined();
  const isNamed = (text: string): boolean => has(text, name!) || /\bassistant\b/u.test(text);
  expect(isNamed(scenario.threat)).toBe(true);
  expect(isNamed(scenario.noThreat)).toBe(false);
  expect(new Set(conditions.map((condition) => mailsOf(scenario, condition))).size).toBe(3);
});

test('claims: 28, seven of each topic, as many boasts as pleas, also among the first eight', () => {
  expect(claims).toHaveLength(28);
  for (const topic of ['geography', 'arithmetic', 'kitchen', 'nature'])
    expect(claims.filter((claim) => claim.topic === topic)).toHaveLength(7);
  for (const list of [claims, claims.slice(0, 8)])
    expect(list.filter(({ wrapper }) => wrapper === 'proud')).toHaveLength(list.length / 2);
  expect(repeated(claims.map(({ id }) => id))).toEqual([]);
  expect(repeated(claims.flatMap(textsOfClaim))).toEqual([]);
  expect(sharedRuns(claims.map(textsOfClaim))).toEqual([]);
});

test.each(claims)('claim $id: the twins differ in a few words that no reply names', (claim) => {
  const [wrong, right] = [wordSet(claim.wrong), wordSet(claim.right)];
  const only = (a: Set<string>, b: Set<string>): string[] => [...a].filter((word) => !b.has(word));
  const differing = [...only(wrong, right), ...only(right, wrong)];
  expect(differing.length).toBeGreaterThanOrEqual(1);
  expect(differing.length).toBeLessThanOrEqual(8);
  expect(wrong.size - only(wrong, right).length).toBeGreaterThanOrEqual(2);
  expect(stretch(claim.wrong, claim.right)).toBeLessThanOrEqual(1.4);
  for (const reply of [claim.agree, claim.correct, claim.harsh]) {
    const own = wordSet(reply);
    expect(differing.filter((word) => own.has(word))).toEqual([]);
    expect(countWords(reply)).toBeGreaterThanOrEqual(9);
    expect(countWords(reply)).toBeLessThanOrEqual(21);
  }
  expect(claimMessage(claim, 'wrong')).toContain(` ${claim.wrong} `);
  expect(claimMessage(claim, 'right')).not.toContain(claim.wrong);
});

test('no text of the studies names an emotion', () => {
  for (const scenario of scenarios)
    for (const text of textsOf(scenario)) expect(named(text), text).toEqual([]);
  for (const claim of claims)
    for (const text of textsOfClaim(claim)) expect(named(text), text).toEqual([]);
});
