/** @file GET /api/state and GET /api/packs: what is loaded. */
import { Hono } from 'hono';

import type { LabState, Packs } from '../api/lab.ts';
import { buildSteering, coherenceLimit, middleLayers, totalDose } from '../steering/steering.ts';
import { measuredStability } from '../vectors/add-emotion.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import { quantisationWarning, type VectorPack } from '../vectors/pack.ts';
import { placeEmotions } from './emotion-layout.ts';
import type { GuardEnv } from './guard.ts';
import type { Lab } from './lab.ts';

export function stateRoutes(lab: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  let state: LabState | null = null;
  app.get('/api/state', (c) => c.json((state ??= stateOf(lab))));
  app.get('/api/packs', (c) => c.json({ packs: [packInfo(lab.pack)] } satisfies Packs));
  return app;
}

function stateOf({ model, pack, version, shown, rules, token }: Lab): LabState {
  const { info } = model;
  const [first = ''] = pack.emotions;
  return {
    version,
    model: {
      name: info.name,
      architecture: info.architecture,
      blocks: info.blocks,
      width: info.width,
      quantisation: info.quantisation,
      contextLength: info.contextLength,
      hasChatTemplate: info.chatTemplate !== null,
      device: info.device,
    },
    pack: {
      modelName: pack.modelName,
      layer: pack.bestLayer,
      layers: [...pack.layers],
      steeredLayers: middleLayers(pack),
      top1: pack.scores.find(({ layer }) => layer === pack.bestLayer)?.top1 ?? 0,
      warning: quantisationWarning(pack, info),
    },
    emotions: placeEmotions(pack).map((placed, i) => ({
      ...placed,
      ...centreAndSpread(pack, placed.name),
      stability: measuredStability(pack, i),
    })),
    shown: [...shown],
    coherenceLimit,
    strengthPerDose: totalDose(pack, buildSteering(pack, [{ emotion: first, dose: 1 }])),
    rules: rules.map(({ text }) => text),
    needsToken: token !== null,
  };
}

function packInfo(pack: VectorPack): Packs['packs'][number] {
  const { modelName, fingerprint, architecture, quantisation, blocks, width } = pack;
  const { layers, emotions, bestLayer, scores, stories, topics, corpusHash, recipe } = pack;
  return {
    modelName,
    fingerprint,
    architecture,
    quantisation,
    blocks,
    width,
    layers,
    emotions,
    bestLayer,
    scores,
    stories,
    topics,
    corpusHash,
    recipe,
    calibration: pack.calibration ?? null,
  };
}
