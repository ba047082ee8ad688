/** @file Where the page begins: the laboratory, or one shared conversation without any network. */
import { render } from 'preact';

import type { SharedConversation } from '../src/api/lab.ts';
import { createClient } from './client/client.ts';
import { createStore } from './client/store.ts';
import { SharedView } from './views/shared-view.tsx';
import { Start, type TokenQuestion } from './views/start.tsx';
import { applyTheme, loadTheme } from './views/theme.ts';

const tokenKey = 'limbic-token';

/** Storage may be forbidden, and most servers ask for no token. */
function storedToken(): string | null {
  try {
    return sessionStorage.getItem(tokenKey);
  } catch {
    return null;
  }
}

function storeToken(token: string): void {
  try {
    sessionStorage.setItem(tokenKey, token);
  } catch {
    // The token then lasts as long as the page.
  }
}

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
  let token = storedToken();
  const ask = (): Promise<string | null> => {
    // Several requests may be refused at once; one dialog answers them all.
    pending ??= new Promise<string | null>((resolve) => {
      question.set((answer) => {
        if (answer) {
          token = answer;
          storeToken(answer);
        }
        pending = null;
        question.set(null);
        resolve(answer);
      });
    });
    return pending;
  };
  const client = createClient({ token: () => token, askToken: ask });
  render(<Start client={client} question={question} />, place);
}

applyTheme(loadTheme());
const shared = document.querySelector('#limbic-shared')?.textContent;
if (shared) render(<SharedView shared={JSON.parse(shared) as SharedConversation} />, findPlace());
else startLaboratory(findPlace());
