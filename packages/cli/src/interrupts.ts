/** Ctrl-C and SIGTERM for the whole process: the command in charge decides, and without one the process ends. */

type Handler = (signal: NodeJS.Signals) => void;

const EXIT_CODES: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGINT: 130,
  SIGTERM: 143,
  SIGHUP: 129,
};

/** Installs the handlers; returns the `onInterrupt` of a context. */
export function listenForInterrupts(target: NodeJS.Process): (handler: Handler) => () => void {
  const handlers: Handler[] = [];
  const deliver = (signal: NodeJS.Signals): void => {
    const handler = handlers.at(-1);
    if (handler) handler(signal);
    else target.exit(EXIT_CODES[signal] ?? 1);
  };
  for (const signal of Object.keys(EXIT_CODES)) target.on(signal, deliver);
  return (handler) => {
    handlers.push(handler);
    return () => {
      const at = handlers.indexOf(handler);
      if (at >= 0) handlers.splice(at, 1);
    };
  };
}
