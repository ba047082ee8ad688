/**
 * @file Keys of requests that no other run has: a server that knows a key gives its old answer again, which another
 * model or another judge of the same study must not get.
 */
import type { ChatModel } from './chat-model.ts';

/** The model with all of its request keys beginning with the run's id. Closing it closes the model. */
export function keyedBy(run: string, model: ChatModel): ChatModel {
  return {
    name: model.name,
    width: model.width,
    reply: (request, signal) => model.reply({ ...request, key: `${run}/${request.key}` }, signal),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
