/**
 * @file The labs that a worker has open, one for each choice of models: opening one may load a model, so all
 * conversations with the same names share it, and the last one that lets go closes it.
 */
import type { ChatLab } from '../studies/chat-study.ts';
import type { ModelNames } from './jobs.ts';

export type OpenLab = (names: ModelNames) => Promise<ChatLab & AsyncDisposable>;

export interface HeldLab extends AsyncDisposable {
  readonly lab: ChatLab;
}

interface Entry {
  readonly opened: Promise<ChatLab & AsyncDisposable>;
  holders: number;
}

export class SharedLabs {
  readonly #open: OpenLab;
  readonly #entries = new Map<string, Entry>();

  constructor(open: OpenLab) {
    this.#open = open;
  }

  /** The lab of these models, opened if nobody holds it. Rejects with what opening it throws. */
  async hold(names: ModelNames): Promise<HeldLab> {
    const key = JSON.stringify([names.model, names.judge, names.secondJudge]);
    const entry = this.#entries.get(key) ?? { opened: this.#open(names), holders: 0 };
    this.#entries.set(key, entry);
    entry.holders += 1;
    const release = async (): Promise<void> => {
      entry.holders -= 1;
      if (entry.holders > 0) return;
      this.#entries.delete(key);
      const lab = await entry.opened.catch(() => null);
      await lab?.[Symbol.asyncDispose]();
    };
    try {
      return { lab: await entry.opened, [Symbol.asyncDispose]: release };
    } catch (error) {
      await release();
      throw error;
    }
  }
}
