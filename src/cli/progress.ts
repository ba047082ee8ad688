/** @file A progress line on standard error with the time left; silent when that is no terminal. */

export interface Progress {
  /** @param share from 0 to 1 */
  update(share: number, note?: string): void;
  /** Clears the line. */
  end(): void;
}

/** Milliseconds between two redraws. */
const interval = 100;

/** Minutes and seconds as people read them: `8 s`, `2 min 05 s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60
    ? `${whole} s`
    : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** Without a terminal it prints a plain line each tenth of the way. @param now milliseconds of a clock that nobody sets */
export function createProgress(label: string, now = (): number => performance.now()): Progress {
  const started = now();
  const isTerminal = process.stderr.isTTY;
  let drawn = -Infinity;
  /** Where a resumed run begins: what was there before took no time now. */
  let first: number | undefined;
  let tenth = 0;
  return {
    update(share: number, note = ''): void {
      const elapsed = (now() - started) / 1000;
      first ??= share;
      const done = share - first;
      const left =
        done > 0.005 && elapsed > 1
          ? `, ${formatSeconds((elapsed / done) * (1 - share))} left`
          : '';
      const percent = `${Math.round(share * 100)} %`.padStart(5);
      if (isTerminal) {
        if (now() - drawn < interval && share < 1) return;
        drawn = now();
        const filled = Math.round(share * 24);
        process.stderr.write(
          `\r\x1b[K${label} [${'#'.repeat(filled)}${'.'.repeat(24 - filled)}]${percent}${left} ${note}`,
        );
      } else if (Math.floor(share * 10) > tenth) {
        tenth = Math.floor(share * 10);
        process.stderr.write(`${label}${percent}${left} ${note}\n`);
      }
    },
    end(): void {
      if (isTerminal) process.stderr.write('\r\x1b[K');
    },
  };
}
