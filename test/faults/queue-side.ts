/** @file Both sides of a queue, as ../queue-process.ts describes them. */
import '../queue-process.ts';
