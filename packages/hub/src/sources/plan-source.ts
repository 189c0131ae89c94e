/** Which file of this folder knows each scheme. */

import type { HttpClient } from '../http/client.ts';
import type { PullContext, PullPlan } from '../pull-plan.ts';
import type { Source } from '../pull-source.ts';
import { planFile } from './file.ts';
import { planHub } from './hugging-face.ts';
import { planNpm } from './npm.ts';
import { planPypi } from './pypi.ts';
import { planRegistry } from './registry.ts';
import { planUrl } from './url.ts';

export function planSource(source: Source, context: PullContext, client: HttpClient): Promise<PullPlan> {
  switch (source.kind) {
    case 'hf':
      return planHub(source, context, client);
    case 'https':
      return Promise.resolve(planUrl(source));
    case 'file':
      return planFile(source, context);
    case 'npm':
      return planNpm(source, context);
    case 'pypi':
      return planPypi(source, context);
    case 'oci':
    case 'ollama':
      return planRegistry(source, context, client);
  }
}
