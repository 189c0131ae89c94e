/** Starts the benchmark's worker. */

const worker = new Worker(new URL('./app.mjs', import.meta.url), { type: 'module' });
worker.addEventListener('error', ({ message }) => {
  void fetch('/report', { method: 'POST', body: JSON.stringify({ error: `the worker failed: ${message}` }) });
});
