import { EXAMPLE_BASE, type Group } from './group.ts';

export const organization: Group = {
  slug: 'organization',
  title: 'Projects and keys',
  text: 'For admins of a server that asks for keys (`steelyard serve --keys`): projects, their keys with scopes and limits, and what was used.',
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
      title: 'What was used since a day',
      language: 'sh',
      code: `curl --fail-with-body -s "${EXAMPLE_BASE}/v1/organization/usage/completions?start_time=1767225600" \\
  -H "authorization: Bearer $STEELYARD_ADMIN_KEY"`,
    },
  ],
};
