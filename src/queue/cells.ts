/**
 * @file The cells of a run on the server: each is kept by whoever measured it first, in one step with the news
 * of it, so that neither a lost message nor a second worker on the same conversation changes what is known.
 */
import type { Redis } from 'ioredis';

import { checkedCell, type RunKeys } from './jobs.ts';

/** 1: kept. 0: another worker was first. -1: the run is over, nobody collects it. */
const keepScript = `
if redis.call('EXISTS', KEYS[3]) == 0 then return -1 end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1`;

export interface SharedCells {
  /** What a worker measured under this key, or null. */
  read(key: string): Promise<object | null>;
  /** Keeps a cell; gives what is kept, which is another worker's if that was first. Null: the run is over. */
  keep(key: string, data: object): Promise<object | null>;
}

export function sharedCells(redis: Redis, keys: RunKeys): SharedCells {
  const read = async (key: string): Promise<object | null> => {
    const json = await redis.hget(keys.cells, key);
    try {
      return json === null ? null : checkedCell(key, json);
    } catch {
      // What can't be read is as good as not there: it would be refused where the run is written, too.
      return null;
    }
  };
  return {
    read,
    keep: async (key, data) => {
      const kept = await redis.eval(
        keepScript,
        3,
        keys.cells,
        keys.news,
        keys.notice,
        key,
        JSON.stringify(data),
      );
      if (kept === -1) return null;
      return kept === 0 ? ((await read(key)) ?? data) : data;
    },
  };
}
