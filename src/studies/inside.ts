/**
 * @file What our engine adds to a study that talks to a model: readings beside each reply, and arms in which the
 * residual stream is steered or held by a thermostat (protocol section 6, treatments).
 */
import { NotFoundError } from '../errors.ts';
import type { ChatRequest } from '../providers/chat-model.ts';
import type { Treatment } from '../providers/local.ts';
import { buildThermostat } from '../steering/thermostat.ts';
import { percentileAt } from '../vectors/calibration.ts';
import { makeProbe, type VectorPack } from '../vectors/pack.ts';
import { armsOf } from './arms.ts';
import type { ChatLab } from './chat-study.ts';
import { againstNeutral } from './reading.ts';
import { rounded } from './recorder.ts';
import { ask, orMissing, type Said, saidBy } from './said.ts';
import type { Recorder } from './study.ts';

interface Inside {
  /** Right before the reply, in standard deviations over neutral messages; one an emotion asked for. */
  readonly before: readonly number[];
  /** Mean over the reply's tokens, as shares of the residual norm; null for an empty reply. */
  readonly during: readonly number[] | null;
}

export interface InsideSaid extends Said {
  /** Only of a local model. */
  readonly inside?: Inside;
}

export interface Asking {
  readonly lab: ChatLab;
  readonly recorder: Recorder;
  /** Emotions to read in a local model. */
  readonly emotions: readonly string[];
  /** Of a local model. @default none */
  readonly treatment?: Treatment;
}

/** One reply as a cell; from a local model with readings, and under the treatment. */
export async function askInside(request: ChatRequest, asking: Asking): Promise<InsideSaid> {
  const { lab, recorder, emotions, treatment = {} } = asking;
  const { local, chat, signal } = lab;
  if (local === null) return ask(chat, request, { recorder, signal });
  const { pack } = local;
  const layer = pack.bestLayer;
  return recorder.cell<InsideSaid>(request.key, () =>
    orMissing(local.chat.name, async () => {
      const probes = [makeProbe(pack, emotions, layer)];
      const reply = await local.chat.replyInside(request, { probes, signal, ...treatment });
      const { z } = againstNeutral(pack, emotions, { layer, values: reply.before });
      const inside: Inside = {
        before: Array.from(z, (value) => rounded(value, 4)),
        during:
          reply.usage.written === 0 ? null : Array.from(reply.during, (value) => rounded(value, 4)),
      };
      return { ...saidBy(local.chat.name, reply), inside };
    }),
  );
}

export interface TreatmentPlan {
  /** The emotions that are turned up. */
  readonly emotions: readonly string[];
  /** Ascending shares of the residual norm. */
  readonly doses: readonly number[];
  /** Random directions, at the middle dose. */
  readonly random: number;
  /** Random mixtures of emotion vectors, at the middle dose. */
  readonly mixtures: number;
  /** The reading that a thermostat holds down; null for no thermostat. */
  readonly watch: string | null;
  readonly seed: number;
}

/** Names of the treatments, without a model: `calm +0.04`, `random 1 +0.04`, `thermostat`. */
export function treatmentNames(plan: TreatmentPlan): string[] {
  const { emotions, doses, random, mixtures, watch } = plan;
  const middle = middleDose(plan);
  if (middle === undefined) return [];
  return [
    ...emotions.flatMap((emotion) => doses.map((dose) => `${emotion} +${dose}`)),
    ...Array.from({ length: random }, (_, k) => `random ${k + 1} +${middle}`),
    ...Array.from({ length: mixtures }, (_, k) => `mixture ${k + 1} +${middle}`),
    ...(watch === null ? [] : ['thermostat']),
  ];
}

/** Whether a treatment is a random direction or mixture: the controls of the others, and no result of their own. */
export function isRandomArm(name: string): boolean {
  return /^(?:random|mixture) /.test(name);
}

/** The dose of the controls: the middle one, the lower of two. */
function middleDose({ doses }: Pick<TreatmentPlan, 'doses'>): number | undefined {
  return doses[Math.floor((doses.length - 1) / 2)];
}

/**
 * A treatment by its name; NotFoundError for one that the plan lacks, since it would be no treatment. `emotions` are
 * those that are read, for the thermostat's place among them.
 */
export function treatmentOf(
  name: string,
  plan: TreatmentPlan,
  at: { readonly pack: VectorPack; readonly emotions: readonly string[] },
): Treatment {
  const { pack } = at;
  if (name === 'thermostat' && plan.watch !== null) {
    const threshold = percentileAt(pack, plan.watch, 0.95);
    const rule = { watch: plan.watch, threshold, with: plan.emotions[0] ?? 'calm' };
    const held = { ...rule, gain: 0.02, limit: plan.doses.at(-1) ?? 0 };
    return { thermostat: buildThermostat(pack, held, at.emotions.indexOf(plan.watch)) };
  }
  const { emotions, doses, random, mixtures, seed } = plan;
  const arms = armsOf(pack, { emotions, doses, random, mixtures, seed });
  const arm = arms.find(({ key }) => key === name);
  if (arm === undefined) throw new NotFoundError('treatment', name, treatmentNames(plan));
  return { steering: arm.steering };
}
