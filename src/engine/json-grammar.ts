/**
 * @file JSON Schema to GBNF, the grammar language of llama.cpp (grammars/README.md there). Every text that
 * such a grammar admits is JSON that fits the schema; not every fitting text is admitted: blanks, digits and
 * exponents are limited, so that a weak model comes to an end, and properties keep the order listed.
 * The values of enum and const are written without blanks. A keyword that a grammar can't keep is refused,
 * never ignored, but `oneOf` is read as `anyOf`.
 */
import { isDeepStrictEqual } from 'node:util';

import { InvalidInputError } from '../errors.ts';

/** Limits against hostile schemas; each is far above what a hand-written one needs. */
const limits = {
  /** Levels of a schema, and steps through `$ref` and `anyOf` to one value. */
  depth: 64,
  rules: 2000,
  /** Largest minItems, maxItems, minLength and maxLength: the library refuses 2000 repetitions. */
  count: 1000,
  /** Repetitions of all bounded rules together: the library makes a rule of each. */
  repetitions: 20_000,
  /** Values of one enum: each is a state that every token of the vocabulary is held against. */
  values: 1000,
  /** Length of the grammar. */
  characters: 500_000,
} as const;

/** Largest magnitude that the rule `integer` admits; below 2^53, so that no digit is lost. */
const largestInteger = 1e15 - 1;

/**
 * The rules that every grammar may use. A string's character is one code point, escaped or not: escapes of
 * surrogates are left out, so that minLength and maxLength count what JSON Schema counts. A number has at
 * most 21 digits before the point, 22 behind it and an exponent from -999 to 99: what JavaScript writes,
 * and no infinity when read.
 */
const baseRules = String.raw`
ws ::= ( " " | "\n" [ \t]{0,20} )?
value ::= object | array | string | number | boolean | null
object ::= "{" ws ( member ( "," ws member )* ws )? "}"
member ::= string ":" ws value
array ::= "[" ws ( value ( "," ws value )* ws )? "]"
string ::= "\"" char* "\""
char ::= [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" code )
code ::= [0-9a-cA-CefEF] hex hex hex | [dD] [0-7] hex hex
hex ::= [0-9a-fA-F]
number ::= "-"? ( "0" | [1-9] [0-9]{0,20} ) ( "." [0-9]{1,22} )? exponent?
exponent ::= [eE] ( "-" [0-9]{1,3} | "+"? [0-9]{1,2} )
integer ::= "-"? ( "0" | [1-9] [0-9]{0,14} )
boolean ::= "true" | "false"
null ::= "null"
`;

/** GBNF whose root is any JSON object. */
export const jsonObjectGrammar: string = `root ::= object${baseRules}`;

/**
 * GBNF whose root is a value of the JSON Schema. Throws InvalidInputError that names the keyword and its
 * path if a grammar can't keep it, if nothing fits, or if the schema is too large.
 */
export function grammarOfSchema(schema: unknown): string {
  const draft: Draft = {
    root: schema,
    rules: new Map(),
    size: { names: 0, repetitions: 0, characters: 0 },
    jobs: [{ name: 'root', place: { schema: { $ref: '#' }, path: '#', depth: 0 } }],
    references: new Map([['#', 'root']]),
    resolved: new Map(),
  };
  // The list grows while it is walked: a value inside an object or array is a job of its own.
  for (const { name, place } of draft.jobs)
    setRule(draft, name, choicesOf(draft, place).join(' | '));
  const rules = [...draft.rules].map(([name, body]) => `${name} ::= ${body}`);
  return `${rules.join('\n')}${baseRules}`;
}

/** A schema within the whole, with its path in the form of JSON Pointer. */
type Place = Readonly<{ schema: unknown; path: string; depth: number }>;
type Node = Readonly<Record<string, unknown>>;

/** A grammar that is being written. */
interface Draft {
  readonly root: unknown;
  readonly rules: Map<string, string>;
  readonly size: { names: number; repetitions: number; characters: number };
  readonly jobs: { readonly name: string; readonly place: Place }[];
  /** Rule of each `$ref` that stands where a value may. */
  readonly references: Map<string, string>;
  /** Choices of each `$ref` that was followed; null while it is being followed. */
  readonly resolved: Map<string, readonly string[] | null>;
}

/** Annotations, and definitions, which count where a `$ref` names them. */
const ignored: ReadonlySet<string> = new Set(
  `$schema $id $comment $defs definitions title description default examples format strict deprecated
  readOnly writeOnly`.split(/\s+/),
);
/** Keywords by the type that they are about; `minimum` and `maximum` only where every integer fits. */
const keywordsOf = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength'],
  integer: ['minimum', 'maximum'],
  number: [],
  boolean: [],
  null: [],
} as const;
type TypeName = keyof typeof keywordsOf;
const typeNames = Object.keys(keywordsOf) as TypeName[];
const typeKeywords: readonly string[] = ['type', ...Object.values(keywordsOf).flat()];

/** Keywords that decide alone, each with those it may stand beside. */
const companions: Readonly<Record<string, readonly string[]>> = {
  $ref: [],
  anyOf: [],
  oneOf: [],
  enum: ['const', 'type'],
  const: ['enum', 'type'],
};

/**
 * The rules one of which a value has to fit. Unions are flattened into them: the library looks for left
 * recursion along the first symbols of each rule, again for each way to reach it, which takes forever
 * where unions are nested.
 */
function choicesOf(draft: Draft, place: Place): readonly string[] {
  const { schema, path, depth } = place;
  if (depth > limits.depth) throw tooLarge(`${limits.depth} levels`, `more at ${shown(path)}`);
  if (schema === true) return ['value'];
  const node = nodeOf(schema, path);
  const keywords = keywordsIn(node);
  const alone = Object.keys(companions).find((keyword) => keywords.includes(keyword));
  const fitting = alone === undefined ? typeKeywords : [alone, ...(companions[alone] ?? [])];
  const foreign = keywords.find((keyword) => !fitting.includes(keyword));
  if (foreign !== undefined) throw notKept(foreign, path, alone);
  if (alone === '$ref') return follow(draft, node['$ref'], place);
  if (alone === 'anyOf' || alone === 'oneOf') return unite(draft, alone, place);
  if (alone !== undefined) return [addRule(draft, literalsOf(node, path).join(' | '))];
  if (keywords.length === 0) return ['value'];
  return typesOf(node, path).map((type) => writers[type]?.(draft, node, place) ?? type);
}

function unite(draft: Draft, keyword: string, { schema: node, path, depth }: Place): string[] {
  const members = listOf(node as Node, keyword, path);
  if (members.length === 0) throw wrong(keyword, path, 'at least one schema', 'none');
  const choices = members.flatMap((schema, i) =>
    choicesOf(draft, { schema, path: `${path}/${keyword}/${i}`, depth: depth + 1 }),
  );
  return [...new Set(choices)];
}

/** Choices of the schema that a `$ref` names; a circle of `$ref` and `anyOf` alone has no end and is refused. */
function follow(draft: Draft, reference: unknown, { path, depth }: Place): readonly string[] {
  const target = typeof reference === 'string' ? reference : '';
  const known = draft.resolved.get(target);
  if (known === null) throw wrong('$ref', path, 'a schema', `a circle through ${shown(target)}`);
  if (known !== undefined) return known;
  const schema = schemaAt(draft.root, target);
  if (schema === undefined)
    throw wrong('$ref', path, '# or #/$defs/NAME of the schema', told(reference));
  draft.resolved.set(target, null);
  const choices = choicesOf(draft, { schema, path: target, depth: depth + 1 });
  draft.resolved.set(target, choices);
  return choices;
}

function schemaAt(root: unknown, target: string): unknown {
  if (target === '#') return root;
  const [, keyword = '', name = ''] = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(target) ?? [];
  return own(own(root, keyword), name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Rule of a value inside an object or array, to be written later; the same one for the same `$ref`. */
function ruleOf(draft: Draft, place: Place): string {
  const target = own(place.schema, '$ref');
  const isReference = typeof target === 'string' && keywordsIn(place.schema as Node).length === 1;
  const known = isReference ? draft.references.get(target) : undefined;
  if (known !== undefined) return known;
  const name = newName(draft);
  if (isReference) draft.references.set(target, name);
  draft.jobs.push({ name, place: isReference ? { ...place, depth: 0 } : place });
  return name;
}

/** The types of a node; without `type`, those that its keywords are about. */
function typesOf(node: Node, path: string): TypeName[] {
  const listed = Array.isArray(node['type']) ? (node['type'] as unknown[]) : [node['type']];
  const types =
    node['type'] === undefined
      ? typeNames.filter((type) => keywordsOf[type].some((keyword) => keyword in node))
      : typeNames.filter((type) => listed.includes(type));
  const unknown = listed.find((type) => !typeNames.includes(type as TypeName));
  if (types.length === 0 || unknown !== undefined) {
    throw wrong('type', path, typeNames.join(', '), told(unknown ?? listed));
  }
  const isInteger = types.includes('integer') && !types.includes('number');
  for (const [keyword, sign] of [
    ['minimum', -1],
    ['maximum', 1],
  ] as const) {
    const bound = sign * Number(node[keyword] ?? sign * Infinity);
    if (keyword in node && !(isInteger && bound >= largestInteger)) throw notKept(keyword, path);
  }
  return types;
}

/** How the types are written that are no rule of every grammar. */
const writers: Partial<Record<TypeName, (draft: Draft, node: Node, place: Place) => string>> = {
  object: objectRule,
  array: arrayRule,
  string: stringRule,
};

function objectRule(draft: Draft, node: Node, { path, depth }: Place): string {
  const properties = 'properties' in node ? nodeOf(node['properties'], `${path}/properties`) : null;
  const names = Object.keys(properties ?? {});
  const listed = new Set<unknown>(names);
  const required = new Set('required' in node ? listOf(node, 'required', path) : []);
  const unlisted = [...required].find((name) => !listed.has(name));
  if (unlisted !== undefined)
    throw wrong('required', path, 'names that properties lists', told(unlisted));
  const extra = node['additionalProperties'] ?? properties === null;
  if (extra === true && names.length === 0) return 'object';
  if (extra !== false) {
    if (names.length > 0) throw notKept('additionalProperties', path);
    const place = { schema: extra, path: `${path}/additionalProperties`, depth: depth + 1 };
    const member = addRule(draft, `string ":" ws ${ruleOf(draft, place)}`);
    return addRule(draft, `"{" ws ( ${member} ( "," ws ${member} )* ws )? "}"`);
  }
  if (names.length === 0) return addRule(draft, '"{" ws "}"');
  const members = names.map((name) => {
    const place = {
      schema: properties?.[name],
      path: `${path}/properties/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      depth: depth + 1,
    };
    const text = `${quoted(`${JSON.stringify(name)}:`)} ws ${ruleOf(draft, place)}`;
    return { text, isRequired: required.has(name) };
  });
  const inside = `${sequenceOf(draft, members)} ws`;
  return addRule(draft, `"{" ws ${required.size > 0 ? inside : `( ${inside} )?`} "}"`);
}

type Member = Readonly<{ text: string; isRequired: boolean }>;

/**
 * The members in order with commas between them, at least one of them. Written from the end: `first` begins
 * at a member with nothing before it, `rest` with something. Both are named where they are used twice, so
 * that the grammar grows with the number of members and not with its square.
 */
function sequenceOf(draft: Draft, members: readonly Member[]): string {
  let [first, rest] = ['', ''];
  for (const { text, isRequired } of members.toReversed()) {
    if (!isRequired && rest.includes(' ')) rest = addRule(draft, rest);
    const start = `${text} ${rest}`.trimEnd();
    first = isRequired || first === '' ? start : addRule(draft, `${start} | ${first}`);
    rest = `${isRequired ? `"," ws ${text}` : `( "," ws ${text} )?`} ${rest}`.trimEnd();
  }
  return first;
}

function arrayRule(draft: Draft, node: Node, { path, depth }: Place): string {
  const [min, max] = rangeOf(node, ['minItems', 'maxItems'], path);
  if (max === 0) return addRule(draft, '"[" ws "]"');
  const schema = 'items' in node ? node['items'] : true;
  const item = ruleOf(draft, { schema, path: `${path}/items`, depth: depth + 1 });
  const more = addRule(draft, `"," ws ${item}`);
  const items = `${item} ${repeated(draft, more, Math.max(0, min - 1), max && max - 1)} ws`;
  return addRule(draft, min > 0 ? `"[" ws ${items} "]"` : `"[" ws ( ${items} )? "]"`);
}

function stringRule(draft: Draft, node: Node, { path }: Place): string {
  const [min, max] = rangeOf(node, ['minLength', 'maxLength'], path);
  if (min === 0 && max === undefined) return 'string';
  const name = `string-${min}-${max ?? ''}`;
  if (draft.rules.has(name)) return name;
  return setRule(draft, name, String.raw`"\"" ${repeated(draft, 'char', min, max)} "\""`);
}

/** The rule from `min` to `max` times; empty where that is never. */
function repeated(draft: Draft, rule: string, min: number, max: number | undefined): string {
  draft.size.repetitions += max ?? min;
  if (draft.size.repetitions > limits.repetitions)
    throw tooLarge(`${limits.repetitions} repetitions in all`);
  if (max === 0) return '';
  return min === 0 && max === undefined ? `${rule}*` : `${rule}{${min},${max ?? ''}}`;
}

function rangeOf(node: Node, [low, high]: [string, string], path: string): [number, number?] {
  for (const keyword of [low, high]) {
    const count = node[keyword] ?? 0;
    if (!Number.isInteger(count) || Number(count) < 0 || Number(count) > limits.count)
      throw wrong(keyword, path, `a whole number from 0 to ${limits.count}`, told(count));
  }
  const [min, max] = [Number(node[low] ?? 0), Number(node[high] ?? Infinity)];
  if (max < min) throw wrong(high, path, `at least ${low} (${min})`, `${max}`);
  return max === Infinity ? [min] : [min, max];
}

/** The values of `enum` and `const` that fit both and `type`, as terminals. */
function literalsOf(node: Node, path: string): string[] {
  const listed = 'enum' in node ? listOf(node, 'enum', path) : [node['const']];
  if (listed.length > limits.values)
    throw tooLarge(`${limits.values} values in an enum`, `${listed.length}`);
  const types: readonly string[] = 'type' in node ? typesOf(node, path) : typeNames;
  const isFit = (value: unknown): boolean =>
    typesOfValue(value).some((type) => types.includes(type)) &&
    (!('const' in node) || isDeepStrictEqual(value, node['const']));
  const areShallow = [...listed, node['const']].every((value) => isShallow(value, limits.depth));
  const fitting = areShallow ? listed.filter(isFit) : [];
  if (fitting.length === 0)
    throw wrong('enum' in node ? 'enum' : 'const', path, 'a JSON value that fits', 'none');
  return [...new Set(fitting.map((value) => quoted(JSON.stringify(value))))];
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

function typesOfValue(value: unknown): TypeName[] {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  if (Number.isInteger(value)) return ['integer', 'number'];
  return typeNames.filter((type) => type === typeof value);
}

/** A terminal of a JSON text, which has no control characters. */
function quoted(json: string): string {
  return `"${json.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

function addRule(draft: Draft, body: string): string {
  return setRule(draft, newName(draft), body);
}

function newName(draft: Draft): string {
  draft.size.names += 1;
  if (draft.size.names > limits.rules) throw tooLarge(`${limits.rules} rules`);
  return `v${draft.size.names}`;
}

function setRule(draft: Draft, name: string, body: string): string {
  draft.size.characters += body.length;
  if (draft.size.characters > limits.characters)
    throw tooLarge(`${limits.characters} characters as a grammar`);
  draft.rules.set(name, body);
  return name;
}

function nodeOf(schema: unknown, path: string): Node {
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema))
    return schema as Node;
  throw wrong('schema', path, 'an object or true', told(schema));
}

function keywordsIn(node: Node): string[] {
  return Object.keys(node).filter((keyword) => !ignored.has(keyword));
}

function own(value: unknown, key: string): unknown {
  const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, key);
  return isThere ? (value as Node)[key] : undefined;
}

function listOf(node: Node, keyword: string, path: string): unknown[] {
  if (Array.isArray(node[keyword])) return node[keyword];
  throw wrong(keyword, path, 'a list', told(node[keyword]));
}

function shown(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

/** A value in an error: a scalar as it is, of others the kind. */
function told(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return shown(JSON.stringify(value) ?? 'nothing');
}

function notKept(keyword: string, path: string, beside?: string): InvalidInputError {
  const what = `"${shown(keyword)}"${beside === undefined ? '' : ` beside "${beside}"`}`;
  return new InvalidInputError(
    `response_format: keyword ${what} at ${shown(path)} cannot be kept by a grammar`,
    { hint: 'leave it out, and check the reply for it' },
  );
}

function wrong(keyword: string, path: string, expected: string, got: string): InvalidInputError {
  return new InvalidInputError(
    `response_format: ${keyword} at ${shown(path)}: expected ${expected}, got ${got}`,
  );
}

function tooLarge(most: string, got = 'more'): InvalidInputError {
  return new InvalidInputError(`response_format: expected a schema of at most ${most}, got ${got}`);
}
