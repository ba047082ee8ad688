/** @file What /proc tells of the processes of a soak: memory, open files, children, and who is left over. */
import { readdirSync, readFileSync } from 'node:fs';

/** Name in the environment of every process that a soak starts; children inherit it. */
export const mark = 'LIMBIC_SOAK_MARK';

/** What `read` returns; null for a process that is gone, or not ours to read. */
function unlessGone(read) {
  try {
    return read();
  } catch {
    return null;
  }
}

/** { pid, parent, state } of every process. */
function allProcesses() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const text = unlessGone(() => readFileSync(`/proc/${name}/stat`, 'utf8'));
      // The name of a program may hold spaces and brackets.
      const [state, parent] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
      return state === undefined ? [] : [{ pid: Number(name), parent: Number(parent), state }];
    });
}

/** All below a process, not itself. */
function descendantsOf(pid, processes = allProcesses()) {
  const children = processes.filter(({ parent }) => parent === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child.pid, processes)]);
}

const megabytes = (status, field) =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;

/**
 * { pid, resident, own, files, children } of a process, memory in MB; null if it is gone. `own` is what no file backs:
 * pages of a model's file come and go as the system likes.
 */
export function measure(pid) {
  const status = unlessGone(() => readFileSync(`/proc/${pid}/status`, 'utf8'));
  const files = unlessGone(() => readdirSync(`/proc/${pid}/fd`).length);
  if (status === null || files === null) return null;
  return {
    pid,
    resident: megabytes(status, 'VmRSS'),
    own: megabytes(status, 'RssAnon') + megabytes(status, 'RssShmem'),
    files,
    children: descendantsOf(pid).filter(({ state }) => state !== 'Z').length,
  };
}

/** The same of everything below a process. */
export function measureBelow(pid) {
  return descendantsOf(pid).flatMap(({ pid: child }) => measure(child) ?? []);
}

/** Ids of ended processes below one that nobody waited for. */
export function zombiesBelow(pid) {
  return descendantsOf(pid)
    .filter(({ state }) => state === 'Z')
    .map(({ pid: child }) => child);
}

/** Ids of living processes that this soak started, wherever they hang by now; not its own. */
export function marked(value) {
  return allProcesses()
    .filter(({ pid, state }) => pid !== process.pid && state !== 'Z')
    .map(({ pid }) => pid)
    .filter((pid) =>
      unlessGone(() => readFileSync(`/proc/${pid}/environ`, 'utf8'))
        ?.split('\0')
        .includes(`${mark}=${value}`),
    );
}
