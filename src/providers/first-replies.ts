/**
 * @file A model that has never given a usable reply is not asked a thousand times: a wrong setting or a name that a
 * server takes but can't serve would otherwise end as a run in which everything is missing.
 */
import { ReplyError, UnavailableError } from '../errors.ts';
import type { ChatModel } from './chat-model.ts';

/** Requests without a usable reply, from the first on, after which nothing more is asked. */
export const mostInVain = 10;

/** The model, which throws UnavailableError once its first `mostInVain` requests all came to nothing. */
export function withFirstReplies(model: ChatModel): ChatModel {
  let [hasReplied, inVain] = [false, 0];
  return {
    name: model.name,
    width: model.width,
    reply: async (request, signal) => {
      try {
        const reply = await model.reply(request, signal);
        hasReplied = true;
        return reply;
      } catch (error) {
        if (!(error instanceof ReplyError) || hasReplied) throw error;
        inVain += 1;
        if (inVain < mostInVain) throw error;
        throw new UnavailableError(
          `${model.name}: expected a usable reply, got none to the first ${mostInVain} requests (${error.message})`,
          { cause: error, hint: 'mend what it says, and start a new run' },
        );
      }
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
