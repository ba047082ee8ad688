/** @file The public API. */
export { captureStories, loadStories, type Story, type StoryMeans } from './capture/stories.ts';
export { type ChatMessage, chatTokens, formatChat } from './engine/chat-template.ts';
export type * from './engine/engine.ts';
export { type LlamaModel, openLlamaModel, type OpenModelOptions } from './engine/llama/model.ts';
export { openToyModel } from './engine/toy/model.ts';
export * from './errors.ts';
export { type Random, randomFrom } from './math/random.ts';
export {
  type Fired,
  Monitor,
  parseRule,
  type ResolvedRule,
  type Rule,
  type RuleThreshold,
} from './steering/monitor.ts';
export {
  buildSteering,
  coherenceLimit,
  type Dose,
  parseDoses,
  randomSteering,
  totalDose,
} from './steering/steering.ts';
export { buildThermostat, type ThermostatPlan } from './steering/thermostat.ts';
export { listModels, type ResolvedModel, resolveModel } from './store/resolve.ts';
export {
  readChat,
  type Reading,
  readText,
  strongestBeforeReply,
  strongestOver,
  traceOf,
} from './studies/reading.ts';
export { percentileAt } from './vectors/calibration.ts';
export { buildPack } from './vectors/extract.ts';
export {
  assertPackFits,
  emotionDirection,
  loadPack,
  makeProbe,
  type VectorPack,
  writePack,
} from './vectors/pack.ts';
export { type Validation, validateStories } from './vectors/validate.ts';
