/** Writes docs/configuration.md from the schema of settings. `npm test` fails where it is not what would be written. */

import { writeFileSync } from 'node:fs';
import { configurationPage } from '../packages/cli/dist/index.js';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage());
