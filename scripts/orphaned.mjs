/**
 * Ends this process, as SIGTERM would, when the one that started it is gone. npm runs scripts below a shell, and a signal
 * to npm ends that shell without reaching what it runs.
 */

const LOOK_MS = 250;

/** From now on, until it ends. */
export function endWhenOrphaned() {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, LOOK_MS).unref();
}
