/** @file What is loaded, in a few lines: which block is read, which are steered, how good the directions are. */
import type { JSX } from 'preact';

import type { LabState } from '../../src/api/lab.ts';

/** Layers as ranges: `10–20`, `3, 7–9`. */
export function formatLayers(layers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const layer of layers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === layer - 1) last[1] = layer;
    else ranges.push([layer, layer]);
  }
  return ranges.map(([start, end]) => (start === end ? `${start}` : `${start}–${end}`)).join(', ');
}

export function LabFacts({ lab }: { readonly lab: LabState }): JSX.Element {
  const { model, pack, emotions, rules } = lab;
  const chance = 100 / Math.max(1, emotions.length);
  return (
    <>
      <dl class="facts">
        <dt>model</dt>
        <dd>
          {model.name}, {model.architecture}, {model.quantisation}
        </dd>
        <dt>read after block</dt>
        <dd>
          {pack.layer} of {model.blocks}, width {model.width}
        </dd>
        <dt>steered blocks</dt>
        <dd>{formatLayers(pack.steeredLayers)}</dd>
        <dt>directions</dt>
        <dd>{emotions.length}</dd>
        <dt>held-out top 1</dt>
        <dd>
          {(pack.top1 * 100).toFixed(1)} %, chance {chance.toFixed(1)} %
        </dd>
        <dt>context</dt>
        <dd>{model.contextLength} tokens</dd>
        {rules.length > 0 && <dt>rules</dt>}
        {rules.map((rule) => (
          <dd key={rule} class="mono">
            {rule}
          </dd>
        ))}
      </dl>
      {pack.warning && <p class="notice warn small">{pack.warning}</p>}
    </>
  );
}
