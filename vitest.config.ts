import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Packages export their TypeScript under the `source` condition, so tests never need a build.
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    // Its `source` condition is TypeScript, which Node by itself does not read.
    server: {
      deps: {
        inline: ['eventsource-parser', /node_modules\/ai\//, /@ai-sdk\//, '@modelcontextprotocol/sdk'],
      },
    },
    include: ['packages/*/{src,test}/**/*.test.ts', 'tests/**/*.test.ts'],
    testTimeout: 60_000,
    // A loaded machine is no failure: what is waited for may take its time.
    expect: { poll: { timeout: 20_000 } },
    maxWorkers: 2,
  },
});
