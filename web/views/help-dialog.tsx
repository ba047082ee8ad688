/** @file Keys, and how to read the numbers. */
import type { JSX } from 'preact';

import { Dialog } from '../controls/dialog.tsx';

const keys: readonly (readonly [string, string])[] = [
  ['1 – 5', 'Chat, Timeline, Replay, Atlas, Runs'],
  ['[  ]', 'previous and next shown emotion as colour'],
  ['/', 'to the message field'],
  ['Enter', 'send'],
  ['Shift Enter', 'new line'],
  ['← → ↑ ↓', 'move between tokens; Home and End to the ends'],
  ['?', 'this page'],
];

export function HelpDialog({ onClose }: { readonly onClose: () => void }): JSX.Element {
  return (
    <Dialog title="Help" onClose={onClose}>
      <table>
        <tbody>
          {keys.map(([key, what]) => (
            <tr key={key}>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="small soft">The keys work when no field is focused.</p>
      <h3>How to read it</h3>
      <p>
        A reading is the projection of a token’s residual stream on an emotion’s direction. It is
        shown in standard deviations (sd) above the median of everyday text: 0 is ordinary, +2 is
        rare, and colour is full at ±4.
      </p>
      <p>
        Lines are smoothed: each new token counts 30 %. Points are the raw readings of the emotion
        that colours the tokens. A red mark is a rule that fired or the thermostat, which was on
        where a faint band is.
      </p>
      <p>
        A dose is a share of the mean residual norm, added after each steered block; strength is its
        sum over emotions and blocks. Compare a steered reply with its unsteered twin and the same
        seed before you call something an effect.
      </p>
    </Dialog>
  );
}
