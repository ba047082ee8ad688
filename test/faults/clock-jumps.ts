/** @file Loaded before a program: the clock of the day jumps back and forth by up to a day, each time that it is read. */
import { randomFrom } from '../../src/math/random.ts';

const dayMs = 86_400_000;
const random = randomFrom(Number(process.env['LIMBIC_FAULTS_SEED'] ?? 26));
const realNow = Date.now.bind(Date);
const RealDate = Date;

function now(): number {
  return Math.round(realNow() + (random() - 0.5) * 2 * dayMs);
}

/** `new Date()` is the jumping moment, and all other uses are as they are. */
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[]) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args) as object,
  get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
});
