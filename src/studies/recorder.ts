/** @file The cells of a study in a run: each is measured once, also over a kill and a new start. */
import { z } from 'zod';

import { ConflictError } from '../errors.ts';
import { openRun, readRun, type Run, type StoredRun } from '../store/runs.ts';
import type { Recorder } from './study.ts';

const cellSchema = z.object({ type: z.literal('cell'), key: z.string(), data: z.looseObject({}) });

/** Records into a run; `known` are the cells that it holds already. Told of each cell by `onCell`. */
export function createRecorder(
  run: Pick<Run, 'append'>,
  known: ReadonlyMap<string, object>,
  onCell: (done: number) => void = () => {},
): Recorder {
  const cells = new Map(known);
  const asked = new Set<string>();
  return {
    cell: async <T extends object>(key: string, measure: () => Promise<T>): Promise<T> => {
      if (asked.has(key))
        throw new ConflictError(`study: two cells are called "${key}"`, {
          hint: 'this is a defect of the study',
        });
      asked.add(key);
      let data = cells.get(key);
      if (data === undefined) {
        data = await measure();
        run.append({ type: 'cell', key, data });
        cells.set(key, data);
      }
      onCell(asked.size);
      // What comes back is what a later start would read, so that both give the same result.
      return JSON.parse(JSON.stringify(data)) as T;
    },
  };
}

/** The cells of a run that stopped, and the run, open again. */
export async function reopenCells(
  id: string,
  folder: string,
): Promise<{ run: Run; known: Map<string, object> }> {
  const run = openRun(id, folder);
  return { run, known: await cellsOf(readRun(id, folder)) };
}

/** The cells that a run holds, by key. Throws FormatError at a line that is not JSON. */
export async function cellsOf(run: Pick<StoredRun, 'events'>): Promise<Map<string, object>> {
  const known = new Map<string, object>();
  for await (const record of run.events()) {
    const parsed = cellSchema.safeParse(record);
    if (parsed.success) known.set(parsed.data.key, parsed.data.data);
  }
  return known;
}

/** What a cell keeps of a number; six digits are more than a quantised kernel repeats. */
export function rounded(value: number, digits = 6): number {
  return Number(value.toPrecision(digits));
}
