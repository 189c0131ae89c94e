#!/usr/bin/env node
/** The `steelyard` command. Plain JavaScript, because npm links it before anything is built. */

const { main } = await import('@steelyard/cli').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.error('steelyard: this clone is not built yet; next: npm run build');
  process.exit(1);
});
await main();
