/** @file Where the page begins: the laboratory, or one shared conversation without any network. */
import { render } from 'preact';

import type { SharedConversation } from '../src/api/lab.ts';
import { createClient } from './client/client.ts';
import { createStore } from './client/store.ts';
import { SharedView } from './views/shared-view.tsx';
import { Start, type TokenQuestion } from './views/start.tsx';
import { applyTheme, loadTheme } from './views/theme.ts';

const tokenKey = 'limbic-token';

/** Where the page goes; an offline file may come without a place for it. */
function findPlace(): Element {
  const place = document.querySelector('#app');
  if (place) return place;
  const created = document.createElement('div');
  created.id = 'app';
  document.body.append(created);
  return created;
}

function startLaboratory(place: Element): void {
  const question = createStore<TokenQuestion | null>(null);
  let pending: Promise<string | null> | null = null;
  const token = (): string | null => sessionStorage.getItem(tokenKey);
  const ask = (): Promise<string | null> => {
    // Several requests may be refused at once; one dialog answers them all.
    pending ??= new Promise<string | null>((resolve) => {
      question.set((answer) => {
        if (answer) sessionStorage.setItem(tokenKey, answer);
        pending = null;
        question.set(null);
        resolve(answer);
      });
    });
    return pending;
  };
  const client = createClient({ token, askToken: ask });
  const askToken = async (): Promise<string | null> => token() ?? ask();
  render(<Start client={client} question={question} askToken={askToken} />, place);
}

applyTheme(loadTheme());
const shared = document.querySelector('#limbic-shared')?.textContent;
if (shared) render(<SharedView shared={JSON.parse(shared) as SharedConversation} />, findPlace());
else startLaboratory(findPlace());
