import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';

import { needs, testModel } from '../../test/models.ts';
import { type Random, randomFrom } from '../math/random.ts';
import { grammarOfSchema, jsonObjectGrammar } from './json-grammar.ts';
import { type LlamaModel, openLlamaModel } from './llama/model.ts';

// A reader of GBNF, written from llama.cpp's grammars/README.md: it tells whether a grammar admits a text,
// and draws texts that it admits.

type Item =
  | { kind: 'characters'; ranges: [number, number][]; isNegated: boolean }
  | { kind: 'rule'; name: string }
  | { kind: 'choice'; sequences: Item[][] }
  | { kind: 'repeat'; item: Item; min: number; max: number };
type Grammar = Map<string, Item>;

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t' };

function parseGrammar(text: string): Grammar {
  const grammar: Grammar = new Map();
  for (const line of text.split('\n').filter((content) => content !== '')) {
    const [, name, body] = /^([a-zA-Z0-9-]+) ::= (.*)$/su.exec(line)!;
    expect(grammar.has(name!), `two rules ${name}`).toBe(false);
    const cursor = { rest: Array.from(body!) };
    grammar.set(name!, parseChoice(cursor));
    expect(cursor.rest, line).toEqual([]);
  }
  return grammar;
}

interface Cursor {
  rest: string[];
}

function parseChoice(cursor: Cursor): Item {
  const sequences: Item[][] = [[]];
  for (;;) {
    while (cursor.rest[0] === ' ') cursor.rest.shift();
    const next = cursor.rest[0];
    if (next === undefined || next === ')') return { kind: 'choice', sequences };
    if (next === '|') {
      cursor.rest.shift();
      sequences.push([]);
    } else sequences.at(-1)!.push(parseRepeat(cursor, parseItem(cursor)));
  }
}

function parseItem(cursor: Cursor): Item {
  const next = cursor.rest[0]!;
  if (next === '(') {
    cursor.rest.shift();
    const item = parseChoice(cursor);
    expect(cursor.rest.shift()).toBe(')');
    return item;
  }
  if (next === '"') {
    cursor.rest.shift();
    const items: Item[] = [];
    while (cursor.rest[0] !== '"') {
      const code = parseCharacter(cursor);
      items.push({ kind: 'characters', ranges: [[code, code]], isNegated: false });
    }
    cursor.rest.shift();
    return { kind: 'choice', sequences: [items] };
  }
  if (next === '[') return parseClass(cursor);
  const [name = ''] = /^[a-zA-Z0-9-]+/.exec(cursor.rest.join('')) ?? [];
  expect(name, `a rule at ${cursor.rest.join('')}`).not.toBe('');
  cursor.rest.splice(0, name.length);
  return { kind: 'rule', name };
}

function parseClass(cursor: Cursor): Item {
  cursor.rest.shift();
  const isNegated = cursor.rest[0] === '^';
  if (isNegated) cursor.rest.shift();
  const ranges: [number, number][] = [];
  while (cursor.rest[0] !== ']') {
    const from = parseCharacter(cursor);
    const isRange = cursor.rest[0] === '-' && cursor.rest[1] !== ']';
    if (isRange) cursor.rest.shift();
    ranges.push([from, isRange ? parseCharacter(cursor) : from]);
  }
  cursor.rest.shift();
  return { kind: 'characters', ranges, isNegated };
}

function parseCharacter(cursor: Cursor): number {
  const character = cursor.rest.shift()!;
  if (character !== '\\') return character.codePointAt(0)!;
  const escaped = cursor.rest.shift()!;
  if (escaped === 'x') return Number.parseInt(cursor.rest.splice(0, 2).join(''), 16);
  expect(escaped).toMatch(/^[nrt\\"[\]]$/);
  return (escapes[escaped] ?? escaped).codePointAt(0)!;
}

function parseRepeat(cursor: Cursor, item: Item): Item {
  const [sign = '', low, comma, high] =
    /^(?:[*+?]|\{(\d+)(,?)(\d*)\})/.exec(cursor.rest.slice(0, 20).join('')) ?? [];
  cursor.rest.splice(0, sign.length);
  if (sign === '') return item;
  const min = Number(low ?? (sign === '+' ? 1 : 0));
  const most = sign === '?' ? 1 : Infinity;
  const max = low === undefined ? most : comma === '' ? min : high === '' ? Infinity : Number(high);
  // The library refuses more than 2000, and ours must not come near it.
  expect(Math.max(min, max === Infinity ? 0 : max)).toBeLessThanOrEqual(1000);
  return { kind: 'repeat', item, min, max };
}

function admits(text: string, value: string): boolean {
  const grammar = parseGrammar(text);
  const codes = Array.from(value, (character) => character.codePointAt(0)!);
  const known = new Map<string, Set<number>>();
  const from = (item: Item, start: number): Set<number> => {
    switch (item.kind) {
      case 'characters': {
        const code = codes[start];
        if (code === undefined) return new Set();
        const isIn = item.ranges.some(([low, high]) => low <= code && code <= high);
        return new Set(isIn === item.isNegated ? [] : [start + 1]);
      }
      case 'rule': {
        const key = `${item.name} ${start}`;
        const rule = grammar.get(item.name);
        if (rule === undefined) throw new Error(`no rule ${item.name}`);
        if (!known.has(key)) known.set(key, from(rule, start));
        return known.get(key)!;
      }
      case 'choice':
        return new Set(
          item.sequences.flatMap((sequence) => {
            let ends = new Set([start]);
            for (const part of sequence)
              ends = new Set([...ends].flatMap((at) => [...from(part, at)]));
            return [...ends];
          }),
        );
      case 'repeat': {
        const ends = new Set<number>(item.min === 0 ? [start] : []);
        let heads = new Set([start]);
        for (let count = 1; count <= item.max && heads.size > 0; count++) {
          heads = new Set([...heads].flatMap((at) => [...from(item.item, at)]));
          if (count >= item.min) for (const at of heads) ends.add(at);
        }
        return ends;
      }
    }
  };
  return from(grammar.get('root')!, 0).has(codes.length);
}

/** A text that the grammar admits. From level 14 on the shortest way out is taken. */
function draw(text: string, random: Random): string {
  const grammar = parseGrammar(text);
  const heights = new Map<string, number>();
  const heightOf = (item: Item): number => {
    if (item.kind === 'characters') return 0;
    if (item.kind === 'rule') return 1 + (heights.get(item.name) ?? Infinity);
    if (item.kind === 'repeat') return item.min === 0 ? 0 : heightOf(item.item);
    return Math.min(...item.sequences.map((parts) => Math.max(0, ...parts.map(heightOf))));
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const [name, item] of grammar) {
      const height = heightOf(item);
      if (height < (heights.get(name) ?? Infinity)) changed = true;
      heights.set(name, height);
    }
  }
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const write = (item: Item, level: number): string => {
    switch (item.kind) {
      case 'characters': {
        // Nothing beyond 16 bits: zod counts UTF-16 units, JSON Schema counts code points.
        if (item.isNegated) return pick(Array.from(' az~é日\u007f\u2028/:,{}[]'));
        const [low, high] = pick(item.ranges);
        return String.fromCodePoint(low + Math.floor(random() * (high - low + 1)));
      }
      case 'rule':
        return write(grammar.get(item.name)!, level + 1);
      case 'choice': {
        const height = (parts: Item[]): number => Math.max(0, ...parts.map(heightOf));
        const lowest = item.sequences.toSorted((a, b) => height(a) - height(b))[0]!;
        const parts = level > 14 ? lowest : pick(item.sequences);
        return parts.map((part) => write(part, level)).join('');
      }
      case 'repeat': {
        const room = level > 14 ? 0 : Math.min(item.max - item.min, 4);
        const count = item.min + Math.floor(random() * (room + 1));
        return Array.from({ length: count }, () => write(item.item, level)).join('');
      }
    }
  };
  return write(grammar.get('root')!, 0);
}

// Random schemas, each with the values that fit it.

interface Case {
  readonly schema: object | boolean;
  readonly value: fc.Arbitrary<unknown>;
}
const count = fc.integer({ min: 0, max: 4 });
const anyValue = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.integer(),
  fc.array(fc.boolean(), { maxLength: 3 }),
  fc.dictionary(fc.string(), fc.constant(null), { maxKeys: 3 }),
);
const leaf: fc.Arbitrary<Case> = fc.oneof(
  fc.constantFrom<Case>(
    { schema: true, value: anyValue },
    { schema: { description: 'Anything' }, value: anyValue },
    { schema: { type: 'object' }, value: fc.dictionary(fc.string(), anyValue, { maxKeys: 3 }) },
    { schema: { type: 'boolean', title: 'Flag' }, value: fc.boolean() },
    { schema: { type: ['null', 'boolean'] }, value: fc.constantFrom(null, true, false) },
    { schema: { type: 'integer' }, value: fc.integer({ min: -(1e15 - 1), max: 1e15 - 1 }) },
    // Beyond 1e99 lies what the grammar leaves out, so that nothing is read as infinity.
    { schema: { type: 'number' }, value: fc.double({ noNaN: true, min: -1e99, max: 1e99 }) },
  ),
  fc.tuple(count, count).map(([minLength, more]): Case => {
    const maxLength = minLength + more;
    return {
      schema: { type: 'string', minLength, maxLength, format: 'name' },
      value: fc.string({ unit: 'binary', minLength, maxLength }),
    };
  }),
  fc
    .array(fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constantFrom(null, true)), {
      minLength: 1,
      maxLength: 4,
    })
    .map((values): Case => ({
      schema: { enum: values },
      value: fc.constantFrom(...values),
    })),
);
const { node } = fc.letrec<{ node: Case }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    tie('object'),
    tie('array'),
    tie('union'),
  ) as fc.Arbitrary<Case>,
  object: fc
    .uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), tie('node'), fc.boolean()), {
      maxLength: 4,
      // An object literal has its whole-numbered names first, and `__proto__` is no name in it.
      selector: ([name]) => name,
    })
    .map((entries): Case => {
      const listed = entries.map(([name, child, isRequired]) => ({
        name: `p${name}`,
        child,
        isRequired,
      }));
      return {
        schema: {
          type: 'object',
          properties: Object.fromEntries(listed.map(({ name, child }) => [name, child.schema])),
          required: listed.filter(({ isRequired }) => isRequired).map(({ name }) => name),
          additionalProperties: false,
        },
        value: fc
          .tuple(
            ...listed.map(({ child, isRequired }) =>
              fc.tuple(isRequired ? fc.constant(true) : fc.boolean(), child.value),
            ),
          )
          .map((values) =>
            Object.fromEntries(
              values.flatMap(([isThere, value], i) => (isThere ? [[listed[i]!.name, value]] : [])),
            ),
          ),
      };
    }),
  array: fc.tuple(tie('node'), count, fc.option(count)).map(([child, minItems, more]): Case => ({
    schema: {
      type: 'array',
      items: child.schema,
      minItems,
      ...(more === null ? {} : { maxItems: minItems + more }),
    },
    value: fc.array(child.value, { minLength: minItems, maxLength: minItems + (more ?? 2) }),
  })),
  union: fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((children): Case => ({
    schema: { anyOf: children.map(({ schema }) => schema) },
    value: fc.oneof(...children.map(({ value }) => value)),
  })),
}));

const grammar = (schema: unknown): string => grammarOfSchema(schema);
const fits = (schema: unknown, value: unknown): boolean =>
  admits(grammar(schema), JSON.stringify(value));

test('grammarOfSchema admits every value of a random schema, written tight or with blanks', () => {
  const cases = node.chain(({ schema, value }) => fc.tuple(fc.constant(schema), value));
  fc.assert(
    fc.property(cases, ([schema, value]) => {
      const text = grammar(schema);
      expect(admits(text, JSON.stringify(value))).toBe(true);
      expect(admits(text, JSON.stringify(value, null, 2))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('every text that a random schema admits is JSON that fits the schema by zod', () => {
  fc.assert(
    fc.property(node, fc.integer(), ({ schema }, seed) => {
      const text = draw(grammar(schema), randomFrom(seed));
      const value: unknown = JSON.parse(text);
      const result = z
        .fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
        .safeParse(value);
      expect(result.error?.message, text).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});

test('jsonObjectGrammar admits objects only, and a limited number of blanks', () => {
  const admitted = (value: string): boolean => admits(jsonObjectGrammar, value);
  for (const value of [
    '{}',
    '{ }',
    '{"a":1}',
    '{"a": [1, -2.5e-3, true, null, {"b": "\\u00e9\\n"}], "": {}}',
    '{\n  "a": [\n    {}\n  ]\n}',
  ])
    expect(admitted(value), value).toBe(true);
  for (const value of [
    '',
    '[]',
    '"a"',
    '1',
    '{',
    '{}}',
    '{} ',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    '{"a":01}',
    '{"a":  1}',
    '{\n\n}',
    `{\n${' '.repeat(21)}}`,
    '{"a":"\n"}',
    '{"a":"\\x"}',
  ])
    expect(admitted(value), value).toBe(false);
});

test('an object admits its properties in their order, without those that may be left out', () => {
  const names = ['a', 'b', 'c', 'd'];
  const subsets = Array.from({ length: 16 }, (_, bits) =>
    names.filter((_name, i) => (bits >> i) & 1),
  );
  const properties = Object.fromEntries(names.map((name) => [name, { type: 'null' }]));
  const textOf = (present: readonly string[]): string =>
    `{${present.map((name) => `"${name}":null`).join(',')}}`;
  for (const required of subsets) {
    const text = grammar({ type: 'object', properties, required });
    for (const present of subsets) {
      const isWhole = required.every((name) => present.includes(name));
      expect(admits(text, textOf(present)), `${required.join()} ${present.join()}`).toBe(isWhole);
      if (present.length > 1) expect(admits(text, textOf(present.toReversed()))).toBe(false);
    }
    for (const value of ['{"a":null,}', '{,"d":null}', '{"e":null}', '{"a":null "b":null}'])
      expect(admits(text, value), value).toBe(false);
  }
});

test('an array admits as many items as it may have', () => {
  for (const [minItems, maxItems] of [
    [0, 0],
    [0, 1],
    [0, 3],
    [1, 1],
    [1, 3],
    [2, 2],
    [2, 3],
  ] as const) {
    const text = grammar({ type: 'array', items: { type: 'integer' }, minItems, maxItems });
    for (const length of [0, 1, 2, 3, 4]) {
      const value = JSON.stringify(Array.from({ length }, () => 7));
      expect(admits(text, value)).toBe(minItems <= length && length <= maxItems);
    }
  }
  expect(fits({ type: 'array', items: { type: 'integer' }, minItems: 2 }, [1])).toBe(false);
  expect(fits({ type: 'array', items: { type: 'integer' }, minItems: 2 }, [1, 2, 3, 4])).toBe(true);
  expect(fits({ type: 'array' }, ['a', [], { b: 1 }])).toBe(true);
});

test('minLength and maxLength count code points, however they are written', () => {
  const text = grammar({ type: 'string', minLength: 2, maxLength: 3 });
  for (const value of ['"ab"', '"🦊🦊🦊"', String.raw`"\u00e9\n\""`, String.raw`"\ud7ff\uE000"`])
    expect(admits(text, value), value).toBe(true);
  for (const value of [
    '"a"',
    '"abcd"',
    '"🦊"',
    String.raw`"\u00e9"`,
    String.raw`"\ud83e\udd8a"`,
    '"a\nb"',
  ])
    expect(admits(text, value), value).toBe(false);
  expect(fits({ type: 'string', maxLength: 0 }, '')).toBe(true);
  expect(fits({ type: 'string', maxLength: 0 }, 'a')).toBe(false);
});

test('numbers are those of JSON, and come to an end', () => {
  const number = grammar({ type: 'number' });
  const integer = grammar({ type: 'integer' });
  const all = [
    '0',
    '-1',
    '999999999999999',
    '1.5',
    '-0.1e-7',
    '2E+30',
    '1e99',
    '12345678901234567890',
  ];
  for (const value of all) expect(admits(number, value), value).toBe(true);
  for (const value of [
    '',
    '-',
    '+1',
    '01',
    '.5',
    '1.',
    '1e',
    '1e100',
    '0x1',
    'NaN',
    '1'.repeat(22),
  ])
    expect(admits(number, value), value).toBe(false);
  expect(all.filter((value) => admits(integer, value))).toEqual(all.slice(0, 3));
});

test('enum and const admit the values written as JSON, those alone that fit each other and the type', () => {
  const values = ['a"b\\', 1, 1.5, null, true, { a: ['é', '\n'] }, []];
  for (const value of values) {
    expect(fits({ enum: values }, value)).toBe(true);
    expect(fits({ const: value }, value)).toBe(true);
    expect(fits({ const: value }, [value])).toBe(false);
  }
  expect(fits({ enum: values }, 2)).toBe(false);
  const nullable = { type: ['string', 'null'], enum: ['a', 1, null] };
  expect(['a', 1, null].map((value) => fits(nullable, value))).toEqual([true, false, true]);
  expect([1, 1.5].map((value) => fits({ type: 'integer', enum: [1, 1.5] }, value))).toEqual([
    true,
    false,
  ]);
  expect(['a', 'b'].map((value) => fits({ const: 'a', enum: ['a', 'b'] }, value))).toEqual([
    true,
    false,
  ]);
});

test('types may be a list, or told by the keywords', () => {
  const either = { type: ['string', 'array', 'null'], maxLength: 1, items: { const: 1 } };
  expect(['a', 'ab', [1], [2], null, 1].map((value) => fits(either, value))).toEqual([
    true,
    false,
    true,
    false,
    true,
    false,
  ]);
  const told = { properties: { a: { minLength: 1 } }, required: ['a'] };
  expect([{ a: 'b' }, { a: '' }, {}].map((value) => fits(told, value))).toEqual([
    true,
    false,
    false,
  ]);
});

test('an object without properties is any object, or a map of what additionalProperties says', () => {
  expect(fits({ type: 'object' }, { a: [1] })).toBe(true);
  expect(fits({ type: 'object', additionalProperties: true }, { a: [1] })).toBe(true);
  expect(fits({ type: 'object', properties: {} }, { a: 1 })).toBe(false);
  expect(fits({ type: 'object', properties: {} }, {})).toBe(true);
  expect(fits({ type: 'object', additionalProperties: false }, { a: 1 })).toBe(false);
  const map = { type: 'object', additionalProperties: { type: 'integer' } };
  expect([{}, { a: 1 }, { a: 1, b: 2 }, { a: 'b' }].map((value) => fits(map, value))).toEqual([
    true,
    true,
    true,
    false,
  ]);
});

test('a $ref is the definition that it names, in a circle too', () => {
  const tree = {
    $ref: '#/$defs/a~1tree',
    $defs: {
      'a/tree': {
        type: 'object',
        properties: {
          name: { $ref: '#/definitions/name' },
          children: { type: 'array', items: { $ref: '#/$defs/a~1tree' } },
        },
        required: ['name', 'children'],
      },
    },
    definitions: { name: { type: 'string', description: 'A name', maxLength: 3 } },
  };
  expect(fits(tree, { name: 'a', children: [{ name: 'b', children: [] }] })).toBe(true);
  expect(fits(tree, { name: 'a', children: [{ name: 'long', children: [] }] })).toBe(false);
  expect(fits(tree, { name: 'a', children: [{}] })).toBe(false);
  const list = {
    type: 'object',
    properties: { next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
    required: ['next'],
  };
  expect(fits(list, { next: { next: { next: null } } })).toBe(true);
  expect(fits(list, { next: { next: 1 } })).toBe(false);
});

test('the schema that zod makes of an object is understood, bounds of its integers included', () => {
  const schema = z.toJSONSchema(z.object({ age: z.int(), name: z.string().nullish() }));
  // zod writes what a JavaScript number can hold exactly, and that is all that the grammar writes.
  expect(schema).toMatchObject({ properties: { age: { minimum: Number.MIN_SAFE_INTEGER } } });
  const values = [{ age: 4, name: null }, { age: -4 }, { age: 4.5 }, { name: 'a' }];
  expect(values.map((value) => fits(schema, value))).toEqual([true, true, false, false]);
});

test.each<[unknown, string]>([
  [{ type: 'string', pattern: 'a' }, 'keyword "pattern" at # cannot be kept by a grammar'],
  [
    { type: 'object', properties: { '~a/b': { type: 'array', items: { minimum: 1 } } } },
    'keyword "minimum" at #/properties/~0a~1b/items cannot be kept',
  ],
  [{ type: 'integer', maximum: 10 }, 'keyword "maximum" at # cannot be kept'],
  [{ type: 'array', uniqueItems: true }, 'keyword "uniqueItems" at #'],
  [{ allOf: [{}] }, 'keyword "allOf" at #'],
  [{ $defs: { a: { not: {} } }, items: { $ref: '#/$defs/a' } }, 'keyword "not" at #/$defs/a'],
  [{ anyOf: [{}, { anyOf: [{ if: {} }] }] }, 'keyword "if" at #/anyOf/1/anyOf/0'],
  [{ anyOf: [{}], type: 'string' }, 'keyword "type" beside "anyOf" at # cannot be kept'],
  [{ $ref: '#', minLength: 1 }, 'keyword "minLength" beside "$ref" at #'],
  [
    { type: 'object', properties: { a: {} }, additionalProperties: true },
    'keyword "additionalProperties" at #',
  ],
  [JSON.parse('{"__proto__": {"type": "string"}}'), 'keyword "__proto__" at #'],
  [7, 'schema at #: expected an object or true, got 7'],
  [false, 'schema at #: expected an object or true, got false'],
  [{ items: [{}] }, 'schema at #/items: expected an object or true, got a list'],
  [
    { type: 'text' },
    'type at #: expected object, array, string, integer, number, boolean, null, got "text"',
  ],
  [{ type: [] }, 'type at #: expected object'],
  [{ anyOf: [] }, 'anyOf at #: expected at least one schema, got none'],
  [{ oneOf: {} }, 'oneOf at #: expected a list, got an object'],
  [{ enum: [] }, 'enum at #: expected a JSON value that fits, got none'],
  [{ type: 'null', const: 1 }, 'const at #: expected a JSON value that fits, got none'],
  [
    { properties: { a: {} }, required: ['b'] },
    'required at #: expected names that properties lists, got "b"',
  ],
  [
    { type: 'array', maxItems: 1001 },
    'maxItems at #: expected a whole number from 0 to 1000, got 1001',
  ],
  [
    { type: 'array', minItems: '1' },
    'minItems at #: expected a whole number from 0 to 1000, got "1"',
  ],
  [
    { type: 'string', minLength: 2, maxLength: 1 },
    'maxLength at #: expected at least minLength (2), got 1',
  ],
  [{ $ref: '#/$defs/a' }, '$ref at #: expected # or #/$defs/NAME of the schema, got "#/$defs/a"'],
  [{ $ref: '#/$defs/toString', $defs: {} }, '$ref at #: expected # or'],
  [{ $ref: ['#'] }, '$ref at #: expected # or #/$defs/NAME of the schema, got a list'],
  [
    { properties: { 5: {} }, required: [5] },
    'required at #: expected names that properties lists, got 5',
  ],
  [{ $ref: 'https://example.com/x' }, '$ref at #: expected # or'],
  [{ $ref: '#' }, '$ref at #: expected a schema, got a circle through #'],
  [
    {
      $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }] }, b: { $ref: '#/$defs/a' } },
      items: { $ref: '#/$defs/a' },
    },
    '$ref at #/$defs/b: expected a schema, got a circle through #/$defs/a',
  ],
])('grammarOfSchema of %j says what is wrong', (schema, message) => {
  expect(() => grammar(schema)).toThrow(
    expect.objectContaining({
      code: 'invalid-input',
      message: expect.stringContaining(`response_format: ${message}`),
    }),
  );
});

describe('a hostile schema is refused in one sentence', () => {
  const nest = (levels: number, wrap: (inner: unknown) => unknown): unknown => {
    let schema: unknown = { type: 'null' };
    for (let i = 0; i < levels; i++) schema = wrap(schema);
    return schema;
  };
  const many = <T>(length: number, make: (i: number) => T): T[] =>
    Array.from({ length }, (_, i) => make(i));
  const object = (width: number, make: (i: number) => unknown): unknown => ({
    type: 'object',
    properties: Object.fromEntries(many(width, (i) => [`p${i}`, make(i)])),
  });

  test.each<[string, unknown, string]>([
    ['arrays 100 deep', nest(100, (items) => ({ items })), 'at most 64 levels'],
    ['unions 100,000 deep', nest(100_000, (inner) => ({ anyOf: [inner] })), 'at most 64 levels'],
    [
      '100 references in a row',
      {
        $ref: '#/$defs/d0',
        $defs: Object.fromEntries(many(100, (i) => [`d${i}`, { $ref: `#/$defs/d${i + 1}` }])),
      },
      'at most 64 levels',
    ],
    ['1000 properties that may be left out', object(1000, () => true), 'at most 2000 rules'],
    [
      'lengths of 1000 in many forms',
      object(50, (i) => ({ type: 'string', minLength: i, maxLength: 1000 })),
      'at most 20000 repetitions',
    ],
    ['an enum of 1001', { enum: many(1001, (i) => i) }, 'at most 1000 values'],
    [
      'names of a million characters',
      { properties: { ['a'.repeat(1e6)]: {} } },
      'at most 500000 characters',
    ],
    [
      'a const 100,000 deep',
      { const: nest(100_000, (inner) => [inner]) },
      'expected a JSON value that fits',
    ],
    ['a list 100,000 deep as a schema', { items: nest(100_000, (inner) => [inner]) }, 'got a list'],
    ['a keyword of a million characters', { ['a'.repeat(1e6)]: 1 }, 'cannot be kept by a grammar'],
  ])('%s', (_title, schema, message) => {
    const failure = ((): Error & { code?: string } => {
      try {
        grammar(schema);
      } catch (error) {
        return error as Error;
      }
      throw new Error('nothing was thrown');
    })();
    expect(failure.code).toBe('invalid-input');
    expect(failure.message).toContain(message);
    expect(failure.message.length).toBeLessThan(400);
  });

  test('60 levels of arrays are none, nor are 100 definitions each inside the one before', () => {
    expect(
      fits(
        nest(60, (items) => ({ type: 'array', items })),
        [[[]]],
      ),
    ).toBe(true);
    const $defs = Object.fromEntries(
      many(100, (i) => [`d${i}`, { type: 'array', items: { $ref: `#/$defs/d${i + 1}` } }]),
    );
    const chain = { $ref: '#/$defs/d0', $defs: { ...$defs, d100: { type: 'null' } } };
    expect(
      fits(
        chain,
        nest(100, (inner) => [inner]),
      ),
    ).toBe(false);
    expect(fits(chain, [[[]]])).toBe(true);
  });

  test('unions with two ways to each of 30 levels are flat, so that nothing walks 2^30 ways', () => {
    const both = (i: number): unknown => ({
      anyOf: [{ $ref: `#/$defs/a${i}` }, { $ref: `#/$defs/b${i}` }],
    });
    const $defs = Object.fromEntries(
      many(30, (i) => [
        [`a${i}`, both(i + 1)],
        [`b${i}`, both(i + 1)],
      ]).flat(),
    );
    const text = grammar({
      items: both(0),
      $defs: { ...$defs, a30: { type: 'null' }, b30: { const: 1 } },
    });
    expect(admits(text, '[1,null]')).toBe(true);
    expect(admits(text, '[2]')).toBe(false);
    // The base rules, the root, the array with its item and comma, and one rule of a const.
    expect(parseGrammar(text).size).toBeLessThanOrEqual(parseGrammar(jsonObjectGrammar).size + 4);
  });
});

describe('with the native engine', () => {
  const path = testModel('smollm2-135m');
  let model: LlamaModel | undefined;
  afterAll(async () => model?.[Symbol.asyncDispose]());

  test.skipIf(path === null)(
    `a hot model writes JSON that fits the schema${needs('smollm2-135m')}`,
    async () => {
      // One thread: several wait for each other in vain on a machine that is busy.
      model = await openLlamaModel(path!, { contextLength: 2048, maxSequences: 4, threads: 1 });
      const mood = z.strictObject({
        emotion: z.enum(['calm', 'on edge', 'quote "q"']),
        strength: z.union([z.int(), z.null()]),
      });
      // Code points, as JSON Schema counts, and not zod's UTF-16 units.
      const name = z
        .string()
        .refine((text) => Array.from(text).length >= 2 && Array.from(text).length <= 12);
      const schema = z.strictObject({
        name: name.meta({ minLength: 2, maxLength: 12 }),
        moods: z.array(mood).min(1).max(2),
        isTired: z.boolean(),
        note: z.literal('none').optional(),
      });
      const prompt = await model.tokenize('A person in a story, as JSON:\n');
      const request = { prompt, maxTokens: 480, temperature: 1.5 };
      const form = grammarOfSchema(z.toJSONSchema(schema));
      const replies = await model.generate(
        [1, 2, 3, 4].map((seed) => ({ ...request, seed, grammar: form })),
      );
      for (const { text, stopReason } of replies) {
        expect(stopReason, text).toBe('end');
        expect(schema.safeParse(JSON.parse(text)).error?.message, text).toBeUndefined();
      }
      expect(new Set(replies.map(({ text }) => text)).size).toBeGreaterThan(1);
      // The largest counts that are allowed are no more than the library takes.
      const text = { type: 'string', minLength: 1000, maxLength: 1000 };
      const largest = grammarOfSchema({ type: 'array', items: text, maxItems: 1000 });
      const short = { ...request, maxTokens: 2 };
      const begun = await model.generate([
        { ...short, grammar: largest },
        { ...short, grammar: jsonObjectGrammar },
      ]);
      expect(begun.map((reply) => reply.text[0])).toEqual(['[', '{']);
    },
  );
});
