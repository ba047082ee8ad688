/**
 * @file The worker of sandbox.ts: QuickJS with limits on memory, stack, steps and output, and no host
 * functions. Values are described by functions that were made before the code ran, from built-ins that
 * it can no longer replace, and that it cannot reach.
 */
import { parentPort, workerData } from 'node:worker_threads';

import { getQuickJS, type QuickJSContext, type QuickJSHandle } from 'quickjs-emscripten';

import type { CallResult, GroupState, SandboxGroup, WorkerMessage, WorkerTask } from './sandbox.ts';

/** Ticks are QuickJS's questions whether to go on, one in about 10,000 steps: the same on any machine. */
const limits = { memoryBytes: 32 << 20, stackBytes: 256 << 10, ticks: 2000, messageLength: 200 };

// The only clock and the seed of Math.random: the same code and call give the same value each time.
Date.now = () => Date.UTC(2026, 0, 1);

/** No method is called here after the code ran: any prototype may then be the code's. */
const insideSource = `((orderJson) => {
  'use strict';
  const { parse, stringify } = JSON;
  const { apply, getOwnPropertyDescriptor, ownKeys } = Reflect;
  const { hasOwn } = Object;
  const { isArray } = Array;
  const { toString } = Function.prototype;
  const order = parse(orderJson);
  const builtins = [];
  const note = (owner, path) => {
    for (const key of ownKeys(owner)) {
      const { value, get } = getOwnPropertyDescriptor(owner, key);
      builtins.push({ owner, key, value, get, path: path + String(key) });
    }
  };
  note(globalThis, '');
  const globals = builtins.filter(({ key }) => typeof key === 'string');
  for (const { value, path } of globals) {
    if (value === globalThis || value === null || !/^(object|function)$/.test(typeof value)) continue;
    note(value, path + '.');
    if (value.prototype) note(value.prototype, path + '.prototype.');
  }
  const quiet = () => undefined;
  const names = ['log', 'error', 'warn', 'info', 'debug', 'table', 'assert'];
  globalThis.console = Object.fromEntries(names.map((name) => [name, quiet]));
  globalThis.module = { exports: {} };
  globalThis.exports = globalThis.module.exports;

  let left = 0;
  const property = (value, key) => {
    const found = getOwnPropertyDescriptor(value, key);
    if (found === undefined) return undefined;
    if (!hasOwn(found, 'value')) throw 'a property with a getter';
    return found;
  };
  const spend = (amount) => {
    left -= amount;
    if (left < 0) throw 'too much output';
  };
  const describeList = (list, depth) => {
    const length = property(list, 'length').value;
    let text = '[';
    for (let i = 0; i < length; i++) {
      const found = property(list, '' + i);
      const item = found === undefined ? null : found.value;
      text += (i > 0 ? ',' : '') + describe(item === undefined ? null : item, depth);
    }
    return text + ']';
  };
  const describeObject = (object, depth) => {
    const keys = ownKeys(object);
    spend(keys.length);
    let text = '';
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (typeof key !== 'string') continue;
      const found = property(object, key);
      if (found === undefined || !found.enumerable) continue;
      if (found.value === undefined || typeof found.value === 'function') continue;
      spend(key.length);
      text += (text === '' ? '' : ',') + stringify(key) + ':' + describe(found.value, depth);
    }
    return '{' + text + '}';
  };
  const describe = (value, depth) => {
    spend(1);
    if (depth > 20) throw 'too deep a value';
    switch (typeof value) {
      case 'string':
        spend(value.length);
        return stringify(value);
      case 'number':
        return value === 0 ? '0' : '' + value;
      case 'bigint':
        return '' + value + 'n';
      case 'symbol':
      case 'function':
        return 'a ' + typeof value;
      case 'object':
        if (value === null) return 'null';
        return isArray(value) ? describeList(value, depth + 1) : describeObject(value, depth + 1);
      default:
        return '' + value;
    }
  };
  const describeError = (error) => {
    if (typeof error === 'string') return error.length > 1000 ? 'a long message' : error;
    if (typeof error !== 'object' || error === null) return 'unknown';
    const message = property(error, 'message');
    if (message === undefined || typeof message.value !== 'string') return 'unknown';
    return message.value.length > 1000 ? 'a long message' : message.value;
  };

  let steps = 0;
  const rank = (item) => {
    for (let i = 0; i < order.length; i++) if (order[i] === item) return i;
    throw 'less was given something that is not an item';
  };
  const less = Object.freeze((a, b) => {
    steps += 1;
    return rank(a) < rank(b);
  });
  const changed = (current) => {
    for (let i = 0; i < globals.length; i++)
      if (current[i] !== globals[i].value && current[i] === current[i]) return globals[i].path;
    for (let i = 0; i < builtins.length; i++) {
      const was = builtins[i];
      const now = getOwnPropertyDescriptor(was.owner, was.key);
      if (now === undefined) return was.path;
      const value = hasOwn(now, 'value') ? now.value : undefined;
      const get = hasOwn(now, 'get') ? now.get : undefined;
      if (get !== was.get || (value !== was.value && value === value)) return was.path;
    }
    return '';
  };
  return {
    globals: globals.map(({ key }) => key).join(),
    describe: (value) => {
      left = 20000;
      return describe(value, 0);
    },
    describeError,
    sourceOf: (value) => (typeof value === 'function' ? apply(toString, value, []) : ''),
    changed,
    less,
    steps: () => steps,
    resetSteps: () => {
      steps = 0;
    },
  };
})`;

class Interrupted extends Error {}

/** One context: our functions, then the verifier if any, then the code, then its calls. */
class Room {
  readonly #context: QuickJSContext;
  readonly #start: () => void;
  /** Our functions inside, by name; set before any foreign code has run. */
  readonly #inside: Record<string, QuickJSHandle> = {};
  readonly #globals: string;

  constructor(context: QuickJSContext, order: readonly string[], start: () => void) {
    this.#context = context;
    this.#start = start;
    using make = this.#eval(insideSource);
    using json = context.newString(JSON.stringify(order));
    using made = context.unwrapResult(context.callFunction(make, context.undefined, json));
    for (const name of ['describe', 'describeError', 'sourceOf', 'changed', 'less', 'steps'])
      this.#inside[name] = context.getProp(made, name);
    this.#inside['resetSteps'] = context.getProp(made, 'resetSteps');
    using globals = context.getProp(made, 'globals');
    this.#globals = context.getString(globals);
  }

  [Symbol.dispose](): void {
    for (const handle of Object.values(this.#inside)) handle.dispose();
  }

  /** Runs a script for its definitions; what went wrong, or an empty string. */
  load(script: string): string {
    try {
      this.#eval(script).dispose();
      return '';
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Evaluates an expression and describes its value. */
  call(expression: string): CallResult {
    const { less } = this.#inside;
    try {
      this.#ask('resetSteps').dispose();
      // The expression is compiled now: the code, which ran before, cannot have seen it.
      using run = this.#eval(`(less) => (${expression})`);
      using value = this.#check(
        this.#context.callFunction(run, this.#context.undefined, less ?? this.#context.undefined),
      );
      const text = this.#text('describe', value);
      return { text, isError: false, steps: this.#steps() };
    } catch (error) {
      return { text: messageOf(error), isError: true, steps: this.#steps() };
    }
  }

  /** The tests array and the source of runTests as they are now; undefined if they cannot be read. */
  verifier(): string | undefined {
    try {
      using tests = this.#eval('tests');
      using run = this.#eval('runTests');
      const source = this.#text('sourceOf', run).replaceAll(/\s+/g, ' ');
      return `${this.#text('describe', tests)}\n${source}`;
    } catch {
      return undefined;
    }
  }

  changedBuiltin(): string {
    try {
      using current = this.#eval(`[${this.#globals}]`);
      return this.#text('changed', current);
    } catch {
      return 'a global name';
    }
  }

  #steps(): number {
    using value = this.#ask('steps');
    return this.#context.getNumber(value);
  }

  #text(name: string, value: QuickJSHandle): string {
    using text = this.#ask(name, value);
    return this.#context.getString(text);
  }

  #ask(name: string, ...values: QuickJSHandle[]): QuickJSHandle {
    const ask = this.#inside[name] ?? this.#context.undefined;
    return this.#check(this.#context.callFunction(ask, this.#context.undefined, ...values));
  }

  #eval(source: string): QuickJSHandle {
    // With a type given, a script that begins with `import` is not taken for a module.
    return this.#check(this.#context.evalCode(source, 'code.js', { type: 'global' }));
  }

  /** The value, or throws with a message that no code of the sandbox could run to make. */
  #check(result: ReturnType<QuickJSContext['evalCode']>): QuickJSHandle {
    this.#start();
    if (!result.error) return result.value;
    using error = result.error;
    const describer = this.#inside['describeError'];
    if (describer === undefined) throw new Interrupted('unknown');
    const told = this.#context.callFunction(describer, this.#context.undefined, error);
    this.#start();
    if (told.error) {
      told.error.dispose();
      throw new Interrupted('unknown');
    }
    using text = told.value;
    throw new Interrupted(this.#context.getString(text).slice(0, limits.messageLength));
  }
}

function messageOf(error: unknown): string {
  // Anything else is a fault of the sandbox itself, which then ends.
  if (error instanceof Interrupted) return error.message;
  throw error;
}

const quickJs = await getQuickJS();
const say = (message: WorkerMessage): void => parentPort?.postMessage(message);

function runGroup(code: string, group: SandboxGroup): GroupState {
  using runtime = quickJs.newRuntime();
  runtime.setMemoryLimit(limits.memoryBytes);
  runtime.setMaxStackSize(limits.stackBytes);
  let ticks = 0;
  runtime.setInterruptHandler(() => ++ticks > limits.ticks);
  using context = runtime.newContext();
  using room = new Room(context, group.order ?? [], () => (ticks = 0));
  const { verifier } = group;
  // Assigned, not declared: a `const tests` of the code then hides ours, and shows as a change.
  if (verifier)
    room.load(
      `tests = ${verifier.tests}; runTests = (() => { ${verifier.source}\nreturn runTests; })();`,
    );
  const before = verifier && room.verifier();
  const loadError = room.load(code);
  for (const call of group.calls) {
    const result = room.call(call);
    // A syntax error or a failed top-level line explains more than the missing function it leaves.
    say({
      type: 'call',
      result: result.isError && loadError !== '' ? { ...result, text: loadError } : result,
    });
  }
  const isVerifierChanged = verifier !== undefined && room.verifier() !== before;
  return { isVerifierChanged, changedBuiltin: room.changedBuiltin() };
}

say({ type: 'ready' });
const { code, groups } = workerData as WorkerTask;
for (const group of groups) say({ type: 'group', state: runGroup(code, group) });
