/** The page under test: starts the application's worker, and says so when that fails. */

const worker = new Worker(new URL('./app.ts', import.meta.url), { type: 'module' });
worker.addEventListener('error', ({ message }) => {
  const body = JSON.stringify({ error: `the page's worker failed: ${message}` });
  void fetch('/report', { method: 'POST', body });
});
