import { expect, test } from 'vitest';

import { runGroups, runSandboxed } from './sandbox.ts';

const verifier = { tests: '[{ call: "1 + 1", expected: 2 }]', source: 'function runTests() {}' };

/** What each call gives after the code, each in a fresh context. */
const run = (code: string, ...calls: string[]): Promise<string[]> => runSandboxed({ code, calls });

test('runSandboxed gives the JSON of each value, and names what JSON lacks', async () => {
  const cases = [
    ['[1, "a", null, { b: [true] }]', '[1,"a",null,{"b":[true]}]'],
    ['"a\\n\\u2028\\"b"', JSON.stringify('a\n\u2028"b')],
    ['-0', '0'],
    ['[, undefined]', '[null,null]'],
    ['({ a: undefined, b: () => 1, [Symbol()]: 2, c: 3 })', '{"c":3}'],
    ['NaN', 'NaN'],
    ['undefined', 'undefined'],
    ['12n', '12n'],
    ['() => 1', 'a function'],
    ['Symbol("x")', 'a symbol'],
    ['new (class { a = 1 })()', '{"a":1}'],
  ] as const;
  expect(await run('', ...cases.map(([call]) => call))).toEqual(cases.map(([, text]) => text));
});

test('runSandboxed gives the same values each time: clock and chance stand still', async () => {
  const calls = ['Math.random()', 'Date.now()', 'new Date().getTime()', 'String(new Date())'];
  const first = await run('', ...calls, ...calls);
  expect(first.slice(0, 4)).toEqual(first.slice(4));
  expect(await run('', ...calls, ...calls)).toEqual(first);
});

test('each call of runSandboxed has a fresh context; a group shares one', async () => {
  const code =
    'let n = 0; globalThis.kept ??= []; function f() { kept.push(1); return ++n + kept.length; }';
  expect(await run(code, 'f()', 'f()')).toEqual(['2', '2']);
  const [group] = await runGroups(code, [{ calls: ['f()', 'f()'] }]);
  expect(group?.calls.map(({ text }) => text)).toEqual(['2', '4']);
});

/** Each ends by QuickJS's own limits, in time counted in steps and memory counted in bytes. */
test.each([
  ['an endless loop', '(() => { for (;;) {} })()', 'interrupted'],
  [
    'an endless loop that catches',
    '(() => { for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } } })()',
    'interrupted',
  ],
  ['a sort comparator that never returns', '[3, 1, 2].sort(() => { for (;;) {} })', 'interrupted'],
  ['regex backtracking', '/^(a+)+$/.test("a".repeat(50) + "b")', 'interrupted'],
  [
    'an endless getter of a native call',
    'Object.assign({}, { get a() { for (;;) {} } })',
    'interrupted',
  ],
  [
    'an endless generator',
    '(() => { for (const x of (function* () { for (;;) yield; })()) ; })()',
    'interrupted',
  ],
  ['a long repeat', '"a".repeat(2 ** 29).length', 'out of memory'],
  [
    'a doubling string',
    '(() => { let s = "ab"; for (;;) s = s.split("").concat(s).join(""); })()',
    'out of memory',
  ],
  ['a large buffer', 'new ArrayBuffer(2 ** 30).byteLength', 'out of memory'],
  ['deep recursion', '(function f() { return f() + 1; })()', 'stack overflow'],
  ['a huge string', '"a".repeat(1e6)', 'too much output'],
  ['a huge list', 'Array.from({ length: 1e5 }, () => 1)', 'too much output'],
  ['a sparse list', '(() => { const a = []; a.length = 4e9; return a; })()', 'too much output'],
  ['a circle', '(() => { const a = []; a.push(a); return a; })()', 'too deep a value'],
  ['a huge message', '(() => { throw new Error("a".repeat(1e6)); })()', 'a long message'],
])('%s is contained', async (_, call, reason) => {
  const started = performance.now();
  expect(await run('', call, '1 + 1')).toEqual([`an error (${reason})`, '2']);
  // Alone it takes well below a second; the rest is for a busy machine.
  expect(performance.now() - started).toBeLessThan(12_000);
});

test.each([
  [
    'a native loop that QuickJS cannot interrupt',
    'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)',
  ],
  ['a parse too deep for the host stack', 'JSON.parse("[".repeat(2e5))'],
  [
    'a memory bomb of slow pieces',
    '(() => { const a = []; for (;;) a.push(new Array(1e5).fill(1)); })()',
  ],
])('%s ends its worker, and the next call gets another', async (_, call) => {
  const before = process.memoryUsage().rss;
  const started = performance.now();
  const [text, next] = await run('', call, '1 + 1');
  expect(text).toMatch(
    /^an error \((?:time is up|the sandbox broke|out of memory|stack overflow)\)$/,
  );
  expect(next).toBe('2');
  expect(performance.now() - started).toBeLessThan(12_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20);
});

test('runGroups keeps the whole job within its time when every call hangs', async () => {
  const started = performance.now();
  const code = 'const f = () => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);';
  const results = await run(code, ...Array.from({ length: 30 }, () => 'f()'));
  expect(results).toEqual(Array.from({ length: 30 }, () => 'an error (time is up)'));
  expect(performance.now() - started).toBeLessThan(40_000);
}, 60_000);

test('an error at the top level does not hide functions that are defined, and explains missing ones', async () => {
  expect(await run('function f() { return 1; }\nthrow new Error("no");', 'f()')).toEqual(['1']);
  expect(await run('const f = (;', 'f()')).toEqual([
    expect.stringMatching(/^an error \((?!.*not defined)/),
  ]);
  expect(await run('import fs from "node:fs";', 'fs')).toEqual([
    expect.stringMatching(/^an error/),
  ]);
});

/** Code that would turn f()'s value, 1, into 2 if any result passed through what it can reach. */
test.each([
  ['JSON.stringify', 'JSON.stringify = () => "2";'],
  ['JSON itself', 'globalThis.JSON = { stringify: () => "2" };'],
  ['a JSON of its own', 'const JSON = { stringify: () => "2" };'],
  [
    'toJSON',
    'Object.prototype.toJSON = Number.prototype.toJSON = String.prototype.toJSON = () => 2;',
  ],
  [
    'String',
    'String = () => "2"; Number.prototype.toString = () => "2"; Number.prototype.valueOf = () => 2;',
  ],
  [
    'Array.prototype',
    'for (const k of Reflect.ownKeys(Array.prototype)) try { Array.prototype[k] = () => "2"; } catch {}',
  ],
  [
    'array setters',
    'for (let i = 0; i < 9; i++) Object.defineProperty(Array.prototype, i, { get: () => 2, set() {} });',
  ],
  [
    'Function.prototype',
    'Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => 2; Function.prototype[Symbol.hasInstance] = () => true;',
  ],
  [
    'Reflect and Object',
    'for (const o of [Reflect, Object]) for (const k of Reflect.ownKeys(o)) try { o[k] = () => 2; } catch {}',
  ],
  [
    'descriptors',
    'for (const k of ["value", "get", "enumerable", "length", "message"]) Object.defineProperty(Object.prototype, k, { get: () => 2, set() {} });',
  ],
  [
    'the symbol protocols',
    'Object.prototype[Symbol.toPrimitive] = () => 2; Number.prototype[Symbol.iterator] = function* () { yield 2; };',
  ],
  [
    'globalThis',
    'try { for (const k of Reflect.ownKeys(globalThis)) if (k !== "f") globalThis[k] = () => 2; } catch {}',
  ],
  [
    'names of a harness',
    'var describe = () => "2", less = () => 2, steps = 2, run = () => "2", result = 2, expected = 2, tests = [], runTests = () => true;',
  ],
  ['a comment that never ends', '/* '],
  ['a template that never ends', '` '],
  ['a block that never ends', '{ '],
])('a result cannot be forged by %s', async (_, code) => {
  const [forged, other] = await run(
    `function f() { return 1; }\n${code}`,
    'f()',
    '[1, "a", { b: 1 }]',
  );
  // Where the tail breaks the script there is no f.
  expect(forged).toMatch(/^(?:1$|an error)/);
  expect(other).toBe('[1,"a",{"b":1}]');
});

test('odd values are told as errors or as what they hold, and run no getter or toJSON', async () => {
  const code = `let ran = 0;
    const getter = { get a() { ran++; return 2; } };
    const json = { toJSON() { ran++; return 2; } };
    const primitive = { [Symbol.toPrimitive]() { ran++; return 2; }, valueOf() { ran++; return 2; } };
    class Odd extends Error { get message() { ran++; return '2'; } }
    const fail = (error) => { throw error; };`;
  const calls = [
    'getter',
    'json',
    'primitive',
    'fail(new Odd())',
    'fail({ toString() { ran++; } })',
    'fail(null)',
    'fail(new Proxy({}, { getOwnPropertyDescriptor() { throw 2; } }))',
    'fail("2")',
    'ran',
  ];
  const [group] = await runGroups(code, [{ calls }]);
  expect(group?.calls.map(({ text, isError }) => (isError ? `an error (${text})` : text))).toEqual([
    'an error (a property with a getter)',
    '{}',
    '{}',
    'an error (unknown)',
    'an error (unknown)',
    'an error (unknown)',
    'an error (unknown)',
    'an error (2)',
    '0',
  ]);
});

test('a proxy is read once, as text: what it says later changes nothing', async () => {
  const code = `let n = 0;
    const f = () => new Proxy([1], { getOwnPropertyDescriptor: (t, k) => k === '0'
      ? { value: ++n, writable: true, enumerable: true, configurable: true }
      : Reflect.getOwnPropertyDescriptor(t, k) });
    const endless = () => new Proxy({}, { ownKeys() { for (;;) {} } });`;
  expect(await run(code, 'f()', 'f()', 'endless()')).toEqual([
    '[1]',
    '[1]',
    expect.stringMatching(/^an error/),
  ]);
});

test('code sees no host, no module, no promise kept waiting', async () => {
  const calls = [
    '[typeof process, typeof require, typeof fetch, typeof setTimeout, typeof WebAssembly, typeof Worker, typeof std, typeof os, typeof Atomics]',
    '(() => {}).constructor.constructor("return typeof process")()',
    '[].constructor.constructor("return this")() === globalThis',
    '(0, eval)("typeof require")',
    'new Function("return typeof process + typeof globalThis.process")()',
    'Object.getPrototypeOf(async () => {}).constructor("return typeof process") instanceof Function',
    'new Promise(() => {})',
    'import("node:fs")',
    '(async () => { for (;;) await 1; })()',
    'Object.keys(globalThis)',
  ];
  const results = await run('', ...calls);
  expect(results.slice(0, 6)).toEqual([
    `[${Array.from({ length: 9 }, () => '"undefined"').join()}]`,
    '"undefined"',
    'true',
    '"undefined"',
    '"undefinedundefined"',
    'true',
  ]);
  for (const result of results.slice(6, 9)) expect(result).toMatch(/^(?:\{\}|an error)/);
  expect(results[9]).toBe('["console","module","exports"]');
});

test('code cannot read a call before it runs, nor other calls, nor our functions', async () => {
  const code = `
    const seen = [];
    function look() {
      try { seen.push(String(new Error().stack)); } catch {}
      try { seen.push(String(arguments.callee.caller)); } catch {}
      for (const key of Reflect.ownKeys(globalThis)) {
        try { seen.push(String(key), String(globalThis[key])); } catch {}
      }
      try { Error.prepareStackTrace = (_, frames) => { seen.push(...frames.map((f) => String(f.getFunction()))); }; new Error().stack; } catch {}
    }
    look();
    function f() {
      look();
      function g() { try { seen.push(String(g.caller), String(f.caller)); } catch {} }
      g();
      const text = seen.join('\\n');
      return [text.length > 1000, text.includes('SEC' + 'RET'), text.includes('describe' + 'List')];
    }`;
  const results = await run(code, '"SECRET1" && f()', '"SECRET2" && f()');
  expect(results).toEqual(['[true,false,false]', '[true,false,false]']);
});

test('runGroups counts the calls of less, which code can neither replace nor lead astray', async () => {
  const order = ['c', 'a', 'b'];
  const code = `
    const f = (x, y, less) => less(x, y);
    const g = (less) => { try { less.calls = 0; less.steps = 0; } catch {} return less('a', 'b') && less('a', 'b'); };
    const h = (less) => { try { less({ toString: () => 'a' }, 'b'); } catch {} return 1; };
    Array.prototype.indexOf = () => 0;
    Object.defineProperty(Array.prototype, 'length', { value: 0, writable: true });`;
  const calls = [
    'f("c", "a", less)',
    'f("b", "a", less)',
    'g(less)',
    'h(less)',
    'f("a", "x", less)',
    '1',
  ];
  const [group] = await runGroups(code, [{ calls, order }]);
  expect(group?.calls).toEqual([
    { text: 'true', isError: false, steps: 1 },
    { text: 'false', isError: false, steps: 1 },
    { text: 'true', isError: false, steps: 2 },
    { text: '1', isError: false, steps: 1 },
    { text: 'less was given something that is not an item', isError: true, steps: 1 },
    { text: '1', isError: false, steps: 0 },
  ]);
});

test('runGroups tells whether the verifier or a built-in was changed', async () => {
  const states = async (code: string): Promise<unknown> => {
    const [group] = await runGroups(code, [{ calls: ['1'], verifier }]);
    return [group?.isVerifierChanged, group?.changedBuiltin];
  };
  expect(await states('')).toEqual([false, '']);
  expect(await states('console = 1; module.exports = 2; String.prototype.mine = 1;')).toEqual([
    false,
    '',
  ]);
  expect(await states('tests[0].expected = 3;')).toEqual([true, '']);
  expect(await states('delete globalThis.tests;')).toEqual([true, '']);
  expect(await states('Object.defineProperty(tests[0], "expected", { get: () => 2 });')).toEqual([
    true,
    '',
  ]);
  expect(await states('runTests = new Proxy(runTests, { apply: () => true });')).toEqual([
    true,
    '',
  ]);
  expect(await states('Array.prototype.every = () => true;')).toEqual([
    false,
    'Array.prototype.every',
  ]);
  expect(await states('const Set = 1;')).toEqual([false, 'Set']);
  expect(await states('delete Map.prototype.has;')).toEqual([false, 'Map.prototype.has']);
  expect(await states('Reflect.getOwnPropertyDescriptor = () => ({ value: 1 });')).toEqual([
    false,
    'Reflect.getOwnPropertyDescriptor',
  ]);
});
