/** @file POST /v1/chat/completions: one reply, whole or as a stream. */
import { randomUUID } from 'node:crypto';

import { type Context, Hono } from 'hono';

import { type ChatRequest, chatRequestSchema } from '../api/chat.ts';
import { chunkOf, firstChunk, responseOf, type ShapeOptions, usageChunk } from './chat-shape.ts';
import { conversationName } from './conversation-log.ts';
import { EventStream } from './event-stream.ts';
import type { GuardEnv } from './guard.ts';
import { type Lab, reportWithheld } from './lab.ts';
import { failureOf, Refusal } from './refusal.ts';
import { planReply, type ReplyPlan } from './reply-plan.ts';
import { joinUpdates, type ReplyEnd, type ReplyUpdate, writeReply } from './reply.ts';
import { clientOf, RequestScope } from './request-scope.ts';
import { notify } from './webhook.ts';

/** One request on its way. */
interface Job extends ShapeOptions {
  readonly lab: Lab;
  readonly body: ChatRequest;
  readonly plan: ReplyPlan;
  readonly client: string;
  /** When it arrived, by a clock that nobody sets. */
  readonly since: number;
  readonly scope: RequestScope;
}

export function chatRoutes(lab: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  app.post('/v1/chat/completions', async (c) => {
    const since = performance.now();
    const body = chatRequestSchema.parse(c.get('json'));
    checkModel(lab, body.model);
    const plan = await planReply(lab, body);
    const job: Job = {
      lab,
      body,
      plan,
      since,
      client: clientOf(c, body.user),
      head: {
        id: `chatcmpl-${randomUUID()}`,
        created: Math.floor(lab.clock.now() / 1000),
        model: lab.model.info.name,
      },
      scope: new RequestScope(c.req.raw.signal, lab.limits.requestMs),
    };
    return body.stream ? streamReply(job) : wholeReply(job, c);
  });
  return app;
}

/** Throws a Refusal that names the model there is. */
export function checkModel({ model }: Lab, name: string | undefined): void {
  if (name === undefined || name === model.info.name) return;
  throw new Refusal('model_not_found', `model: this server has no "${name}"`, {
    param: 'model',
    hint: `it has "${model.info.name}"`,
  });
}

async function wholeReply(job: Job, c: Context): Promise<Response> {
  const updates: ReplyUpdate[] = [];
  const end = await answer(job, (update) => updates.push(update));
  return c.json(responseOf(job, joinUpdates([...updates, end]), end));
}

/**
 * Starts the response at the first token, so that what fails before has a status of its own. Later failures
 * are an event of the stream.
 */
function streamReply(job: Job): Promise<Response> {
  return new Promise((resolve, reject) => {
    const stream = new EventStream(
      (update) => chunkOf(job, update),
      () => job.scope.abandon(),
    );
    let isStarted = false;
    const start = (): void => {
      if (isStarted) return;
      isStarted = true;
      stream.send(firstChunk(job));
      resolve(stream.response);
    };
    const close = (end: ReplyEnd): void => {
      start();
      stream.send(chunkOf(job, end));
      if (job.body.stream_options?.include_usage === true) stream.send(usageChunk(job, end));
      stream.send('[DONE]');
      stream.end();
    };
    const fail = (error: unknown): void => {
      if (!isStarted) {
        reject(error);
        return;
      }
      const { body, isWithheld } = failureOf(error);
      if (isWithheld) reportWithheld(job.lab, error);
      stream.send(body);
      stream.end();
    };
    const onUpdate = (update: ReplyUpdate): void => {
      start();
      stream.push(update);
    };
    answer(job, onUpdate).then(close).catch(fail);
  });
}

/** Waits for the job's turn, writes the reply, keeps it in the log and tells the webhook. */
async function answer(job: Job, onUpdate: (update: ReplyUpdate) => void): Promise<ReplyEnd> {
  const { lab, plan, body, client, since } = job;
  using scope = job.scope;
  const conversation = body.limbic?.conversation ?? conversationName(client, body.messages);
  const updates: ReplyUpdate[] = [];
  const keep = (update: ReplyUpdate): void => {
    if (lab.log !== null) updates.push(update);
    for (const event of update.events) {
      lab.onEvent?.(event, conversation);
      if (event.kind === 'rule' || event.kind === 'stop') tell(job, event);
    }
  };
  const write = async (): Promise<ReplyEnd> => {
    lab.log?.addMessages(conversation, body.messages);
    let isWritten = false;
    try {
      const end = await writeReply(lab, plan, {
        signal: scope.signal,
        since,
        onUpdate: (update) => {
          keep(update);
          onUpdate(update);
        },
      });
      keep(end);
      isWritten = true;
      return end;
    } finally {
      // A reply that broke off is kept as far as it came.
      const { text, tokens, events } = joinUpdates(updates);
      if (isWritten || tokens.length > 0)
        lab.log?.addReply(conversation, body.messages, {
          content: text,
          tokens,
          events,
          steer: plan.head.steer,
        });
    }
  };
  try {
    return await lab.queue.run(client, scope.signal, write);
  } catch (error) {
    throw scope.explain(error);
  }
}

function tell({ lab, head }: Job, event: ReplyUpdate['events'][number]): void {
  const time = new Date(lab.clock.now()).toISOString();
  void notify(lab, { event, reply: head.id, model: head.model, time });
}
