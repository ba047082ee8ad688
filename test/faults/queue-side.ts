/** @file Both sides of a queue, as ../queue-process.ts describes them. */
export * from '../queue-process.ts';
