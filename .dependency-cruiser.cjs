// The import table of docs/ARCHITECTURE.md as data. A folder may import itself; what is not listed is an error.
const allowed = {
  contract: [],
  base: [],
  process: ['contract/errors.ts', 'base'],
  git: ['contract/errors.ts', 'base', 'process'],
  store: ['contract', 'base'],
  hosts: ['contract', 'base', 'process'],
  backends: ['contract', 'base', 'process', 'hosts/host.ts'],
  models: ['contract', 'base'],
  engine: ['contract', 'base', 'git', 'store', 'backends/backend.ts', 'hosts/host.ts'],
  ingest: ['contract'],
  history: ['contract', 'base'],
  bridges: ['contract', 'base'],
  fleet: ['contract', 'base', 'backends/backend.ts', 'hosts/host.ts'],
  api: ['contract', 'base', 'engine', 'ingest', 'history'],
  client: ['contract'],
  mcp: ['contract', 'base', 'client'],
  plugin: ['contract', 'client'],
  cli: ['contract', 'base', 'process', 'client', 'mcp', 'models', 'daemon'],
  daemon: [
    'contract',
    'base',
    'process',
    'git',
    'store',
    'hosts',
    'backends',
    'models',
    'engine',
    'ingest',
    'history',
    'bridges',
    'fleet',
    'api',
    'client',
    'mcp',
  ],
};
const path = (entry) => (entry.endsWith('.ts') ? `^src/${entry.replace('.', '\\.')}$` : `^src/${entry}/`);
const table = Object.entries(allowed).map(([folder, may]) => ({
  name: `imports-of-${folder}`,
  severity: 'error',
  comment: `src/${folder} may import: ${may.join(', ') || 'nothing of ours'}`,
  from: { path: `^src/${folder}/`, pathNot: '\\.test\\.ts$' },
  to: { path: '^src/', pathNot: [`^src/${folder}/`, ...may.map(path)] },
}));
const only = (name, module, folders) => ({
  name,
  severity: 'error',
  from: { path: '^src/', pathNot: [...folders.map(path), '\\.test\\.ts$'] },
  to: { path: module },
});

module.exports = {
  forbidden: [
    ...table,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'browser-safe',
      severity: 'error',
      comment: 'contract and client run in browsers',
      from: { path: '^src/(contract|client)/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    only('only-process-spawns', '^(node:)?child_process$', ['process']),
    only('only-store-opens-sqlite', '^(node:)?sqlite$', ['store', 'history', 'daemon/lock.ts']),
    only('only-fleet-speaks-nats', '^@nats-io/', ['fleet']),
    {
      name: 'product-never-imports-tests',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { path: '^test/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.vue'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
