/** Layering: a package may import only packages below it. The order is the architecture; see docs/architecture.md. */
const layers = [
  ['core'],
  ['graph'],
  ['backend-reference', 'backend-cpu'],
  ['formats', 'hub', 'text', 'storage'],
  ['models'],
  ['engine'],
  ['server', 'web'],
  ['cli'],
  ['steelyard'],
];

const path = (names) => `^packages/(${names.join('|')})/`;

export default {
  forbidden: [
    ...layers.slice(0, -1).map((layer, i) => ({
      name: `layer-${layer.join('-')}-imports-up`,
      severity: 'error',
      from: { path: path(layer), pathNot: '/test/|\\.test\\.ts$' },
      to: { path: path(layers.slice(i + 1).flat()) },
    })),
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'browser-safe',
      comment: 'These run in a browser: Node only behind a /node entry.',
      severity: 'error',
      from: {
        path: '^packages/((core|graph|backend-reference|formats|text|models|engine)/src/|backend-cpu/src/(wasm/|browser/|tape|planned-graph))',
        pathNot: '/src/node/|\\.test\\.ts$',
      },
      to: { dependencyTypes: ['core'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/dist/|/build/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default'],
    },
  },
};
