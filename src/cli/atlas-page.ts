/** @file The atlas as one offline page. */
import type { Story } from '../capture/stories.ts';
import { type ExplorerPoint, renderExplorer } from '../charts/explorer.ts';
import { renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import { renderPage } from '../charts/page.ts';
import type { Atlas, AtlasEmotion } from '../vectors/atlas.ts';
import { disclaimer } from './reading-output.ts';

/** Stories shown for each emotion: two of either set keep the page near a megabyte. */
const storiesShown = 4;

/** A share as people read it. */
export function percent(share: number | undefined): string {
  return `${((share ?? NaN) * 100).toFixed(0)} %`;
}

/** `peaceful 0.48, serene 0.42, …` */
export function listNeighbours(neighbours: AtlasEmotion['nearest']): string {
  return neighbours.map(({ emotion, cosine }) => `${emotion} ${cosine.toFixed(2)}`).join(', ');
}

/** The whole page. */
export function renderAtlas(atlas: Atlas, stories: readonly Story[]): string {
  const { emotions, variance, fits, predictions, layers, models, clusters } = atlas;
  const agreement =
    clusters.adjustedRand === null
      ? ''
      : ` Adjusted Rand index with the paper's clusters: ${clusters.adjustedRand.toFixed(2)} (1 is the same, 0 is chance).`;
  const { sharedNeighbours: shared } = clusters;
  const neighbours =
    shared === null
      ? ''
      : ` The nearest neighbour is of the same cluster in the paper for ${percent(shared.value)} of the emotions (chance ${percent(shared.chance)}).`;
  return renderPage({
    title: `The emotion space of ${atlas.model}`,
    subtitle: `${emotions.length} vectors after block ${atlas.layer} of ${atlas.blocks}. Choose an emotion by its point, its row or its name.`,
    sections: [
      {
        title: 'Map',
        lead: `First two principal components of the unit vectors: ${percent(variance[0])} and ${percent(variance[1])} of their variance (26 % and 15 % in the paper). Colours are ${clusters.k} clusters by k-means.${agreement}${neighbours}`,
        body: renderExplorer({
          points: emotions.map((emotion) => pointOf(emotion, stories)),
          groups: Array.from({ length: clusters.k }, (_, c) => groupName(emotions, c)),
          matrix: atlas.cosines,
          xLabel: `component 1, ${percent(variance[0])}`,
          yLabel: `component 2, ${percent(variance[1])}`,
        }),
      },
      {
        title: 'Human ratings',
        lead: 'Correlation with what people say of the words; 95 % bootstrap intervals over the emotions. The prediction is a ridge regression from the whole vector that leaves the emotion out.',
        body: renderTable(
          ['rating', 'from', 'r', '95 %', 'emotions'],
          [
            ...predictions.map(({ norm, r, interval: [low, high], n, shuffled }) => [
              norm,
              `the whole vector (shuffled ratings stay below ${shuffled.toFixed(2)})`,
              r.toFixed(2),
              `${low.toFixed(2)} to ${high.toFixed(2)}`,
              n,
            ]),
            ...fits.map(({ norm, component, r, interval: [low, high], n }) => [
              norm,
              `component ${component}`,
              r.toFixed(2),
              `${low.toFixed(2)} to ${high.toFixed(2)}`,
              n,
            ]),
          ],
        ),
      },
      {
        title: 'Layers',
        lead: 'Held-out accuracy by layer (leave one topic out), and the correlation of all pairs of cosines with those of the layer shown here.',
        body: layerCharts(atlas),
      },
      ...(models.length === 0
        ? []
        : [
            {
              title: 'Other models',
              lead: 'Correlation of all pairs of cosines between the models.',
              body: renderTable(
                ['model', 'layer', 'r', 'emotions in common'],
                models.map(({ model, layer, r, n }) => [model, layer, r.toFixed(2), n]),
              ),
            },
          ]),
    ],
    footer: `${disclaimer} Valence ratings: VADER lexicon (Hutto and Gilbert, 2014, MIT licence). Layers compared: ${layers.layers.join(', ')}. Made by limbic.`,
  });
}

function groupName(emotions: readonly AtlasEmotion[], cluster: number): string {
  const members = emotions.filter((emotion) => emotion.cluster === cluster);
  return `${members
    .slice(0, 3)
    .map(({ emotion }) => emotion)
    .join(', ')}${members.length > 3 ? ` … (${members.length})` : ''}`;
}

function pointOf(found: AtlasEmotion, stories: readonly Story[]): ExplorerPoint {
  const own = stories.filter(({ emotion }) => emotion === found.emotion);
  const step = Math.max(1, Math.floor(own.length / storiesShown));
  const words = (raw: readonly string[]): string => raw.map((word) => word.trim()).join(' · ');
  const ratings = Object.entries(found.ratings).map(([name, value]) => `${name} ${value}`);
  return {
    name: found.emotion,
    group: found.cluster,
    x: found.x,
    y: found.y,
    near: found.nearest.slice(0, 6).map(({ emotion }) => emotion),
    texts: own
      .filter((_, i) => i % step === 0)
      .slice(0, storiesShown)
      .map(({ text }) => text),
    details: [
      ['next words that it raises, added at its layer', words(found.steeredWords.raised)],
      ['and lowers', words(found.steeredWords.lowered)],
      ['logit lens, raised', words(found.lensWords.raised)],
      ['logit lens, lowered', words(found.lensWords.lowered)],
      ['nearest', listNeighbours(found.nearest)],
      ['farthest', listNeighbours(found.farthest)],
      [
        'stability',
        found.stability === null
          ? 'not measured'
          : `mean cosine ${found.stability.toFixed(2)} with the vector from other draws of the topics`,
      ],
      ...(found.paperCluster === null
        ? []
        : [['cluster in the paper', found.paperCluster] as const]),
      ...(ratings.length === 0 ? [] : [['rated by people', ratings.join(', ')] as const]),
    ],
  };
}

function layerCharts({ scores, layers, layer }: Atlas): string {
  const accuracy = renderLineChart({
    title: 'held-out accuracy',
    xLabel: 'layer',
    yLabel: 'share',
    ticks: scores.map((score) => String(score.layer)),
    series: [
      { name: 'top-1', values: scores.map(({ top1 }) => top1) },
      { name: 'top-5', values: scores.map(({ top5 }) => top5), dashed: true },
    ],
  });
  const row = layers.similarity[layers.layers.indexOf(layer)];
  if (row === undefined) return accuracy;
  return (
    accuracy +
    renderLineChart({
      title: `likeness of the geometry to that of layer ${layer}`,
      xLabel: 'layer',
      yLabel: 'correlation',
      ticks: layers.layers.map(String),
      series: [{ name: 'correlation of cosines', values: row }],
    })
  );
}
