/**
 * @file Clients of the server for a while: whole replies, streams, streams that are cut in the middle, clients that leave
 * before the first byte, and requests that must be refused.
 */
import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

const clients = 6;
const replyTokens = 24;

/** Sends one request. Returns { status, text }; `cutAfter` chunks or `leaveAfter` ms hang up and return null. */
function send(url, { agent, method = 'POST', path, body, cutAfter, leaveAfter }) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    let isGone = false;
    const sent = request(`${url}${path}`, { agent, method, headers }, (response) => {
      let [text, chunks] = ['', 0];
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
        if (++chunks === cutAfter) leave();
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', (error) => (isGone ? resolve(null) : reject(error)));
    });
    const leave = () => {
      isGone = true;
      sent.destroy();
      resolve(null);
    };
    sent.on('error', (error) => (isGone ? resolve(null) : reject(error)));
    if (leaveAfter !== undefined) setTimeout(leave, leaveAfter);
    sent.end(body);
  });
}

const chat = (k, more) =>
  JSON.stringify({
    user: `client-${k % clients}`,
    max_tokens: replyTokens,
    seed: k,
    messages: [{ role: 'user', content: `Tell me about the number ${k}.` }],
    limbic: { emotions: ['calm'], steer: k % 4 === 0 ? { calm: 0.05 } : {} },
    ...more,
  });
const completions = { path: '/v1/chat/completions' };
const isWhole = ({ status, text }) => status === 200 && text.includes('"finish_reason"');
const isStreamed = ({ status, text }) =>
  status === 200 && text.includes('[DONE]') && !text.includes('"error"');
const isRefused =
  (expected) =>
  ({ status, text }) =>
    status === expected && text.includes('"error"');

/** Kinds of requests, in turn. `holds` tells whether the answer is right; those without one hang up. */
const kinds = [
  (k) => ({ ...completions, body: chat(k), holds: isWhole }),
  (k) => ({ ...completions, body: chat(k, { stream: true }), cutAfter: 1 + (k % 5) }),
  (k) => ({ ...completions, body: chat(k, { stream: true }), holds: isStreamed }),
  (k) => ({ ...completions, body: chat(k, { stream: k % 2 === 0 }), leaveAfter: k % 40 }),
  () => ({ ...completions, body: '{"messages": [', holds: isRefused(400), isBad: true }),
  (k) => ({
    path: '/api/read',
    body: JSON.stringify({ text: `The stairs creaked ${k} times. Nobody else was home.` }),
    holds: ({ status, text }) => status === 200 && text.includes('"tokens"'),
  }),
  () => ({ ...completions, body: chat(1, { messages: [] }), holds: isRefused(400), isBad: true }),
  () => ({ path: '/nowhere', body: '{}', holds: isRefused(404), isBad: true }),
  (k) => ({
    ...completions,
    body: chat(k, { messages: [{ role: 'user', content: 'x '.repeat(100_000) }] }),
    holds: isRefused(400),
    isBad: true,
  }),
  () => ({ method: 'GET', path: '/metrics', holds: ({ status }) => status === 200 }),
];

/** Loads the server for so many ms, and counts into `requests`. Returns when every reply has ended. */
export async function load(url, milliseconds, requests) {
  const agent = new Agent({ keepAlive: true });
  const until = performance.now() + milliseconds;
  const client = async () => {
    while (performance.now() < until) {
      const k = requests.sent++;
      const { holds, isBad, ...what } = kinds[k % kinds.length](k);
      try {
        // Every second one opens a connection of its own.
        const answer = await send(url, { ...what, agent: k % 2 === 0 ? agent : false });
        if (holds === undefined) requests.cut++;
        else if (!holds(answer))
          throw new Error(`${what.path}: ${answer.status} ${answer.text.slice(0, 200)}`);
        else if (isBad) requests.refused++;
        else requests.answered++;
      } catch (error) {
        requests.failed++;
        requests.lastFault = error.message;
        await wait(100);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  agent.destroy();
}

/** { held, kept, running, waiting, restarts, heap } as the server's metrics tell. */
export async function metricsOf(url) {
  const { text } = await send(url, { method: 'GET', path: '/metrics', agent: false });
  const value = (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  return {
    held: value('limbic_sequences_held'),
    kept: value('limbic_sequences_kept'),
    running: value('limbic_requests_running'),
    waiting: value('limbic_requests_waiting'),
    restarts: value('limbic_engine_restarts_total'),
    heap: value('nodejs_heap_size_used_bytes') / 2 ** 20,
  };
}

/** Metrics of a server that has come to rest, or as they are after 10 s. */
export async function metricsAtRest(url) {
  for (let tries = 0; ; tries++) {
    const metrics = await metricsOf(url);
    if (tries === 100 || metrics.held + metrics.running + metrics.waiting === 0) return metrics;
    await wait(100);
  }
}
