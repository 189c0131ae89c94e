/**
 * Writes from the schema of settings what follows from it: docs/configuration.md, and the part `config` of the values of the
 * Helm chart. `npm test` fails where they are not what would be written.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { configJsonSchema } from '../packages/cli/dist/config/json-schema.js';
import { configurationPage } from '../packages/cli/dist/config/page.js';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage());

const chart = new URL('../deploy/helm/steelyard/values.schema.json', import.meta.url);
const values = JSON.parse(readFileSync(chart, 'utf8'));
values.properties.config = configJsonSchema();
const style = await resolveConfig(chart);
writeFileSync(chart, await format(JSON.stringify(values), { ...style, parser: 'json' }));
