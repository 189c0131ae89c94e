import { EXAMPLE_BASE, type Group } from './group.ts';

export const organization: Group = {
  slug: 'organization',
  title: 'Projects and keys',
  text:
    'For admins of a server that asks for keys (`steelyard serve --keys`): projects, their keys with scopes and limits, ' +
    'and what was used. A budget of a month holds from the answer that spends it, over HTTP and in batches.',
  paths: ['/v1/organization'],
  examples: [
    {
      title: 'A key for a project, with scopes and a limit',
      language: 'sh',
      code: `curl --fail-with-body -s ${EXAMPLE_BASE}/v1/organization/projects/default/api_keys \\
  -H "authorization: Bearer $STEELYARD_ADMIN_KEY" \\
  -H 'content-type: application/json' \\
  -d '{
  "name": "ci",
  "scopes": ["chat", "files:read"],
  "limits": { "requests_per_minute": 60 }
}'`,
    },
    {
      title: 'What was used since a day, by model',
      language: 'sh',
      code: `curl --fail-with-body -sg "${EXAMPLE_BASE}/v1/organization/usage/completions?start_time=1767225600&group_by[]=model" \\
  -H "authorization: Bearer $STEELYARD_ADMIN_KEY"`,
    },
    {
      title: 'Which keys were made or revoked last',
      language: 'sh',
      code: `curl --fail-with-body -sg "${EXAMPLE_BASE}/v1/organization/audit_logs?limit=5&event_types[]=api_key.created&event_types[]=api_key.deleted" \\
  -H "authorization: Bearer $STEELYARD_ADMIN_KEY"`,
    },
  ],
};
