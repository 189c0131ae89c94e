/** `/v1/organization/projects`: who shares files, answers, limits and a bill. For admin keys. */

import { defineEndpoint, type Call } from '../endpoint.ts';
import { found } from '../responses/stored-responses.ts';
import {
  fromWireLimits,
  listQuerySchema,
  listSchemaOf,
  projectRequestSchema,
  projectSchema,
  projectUpdateSchema,
  toProject,
  type ListQuery,
  type ProjectRequest,
  type ProjectUpdate,
} from '../schemas/organization.ts';
import { administer, listOf } from '../access/administer.ts';

const PATH = '/v1/organization/projects';
const ONE = `${PATH}/{project_id}`;
export const MISSING_PROJECT = { status: 404, param: 'project_id', code: 'project_not_found' };

export const listProjects = defineEndpoint({
  method: 'GET',
  path: PATH,
  summary: 'Projects, oldest first, in pages.',
  query: listQuerySchema,
  response: listSchemaOf(projectSchema),
  async handle({ services, query }: Call<unknown, ListQuery>) {
    const { access } = await services.records();
    const all = (await access.projects()).map(toProject);
    const shown = query.include_archived === 'true' ? all : all.filter((one) => one.status === 'active');
    return Response.json(listOf(shown, query));
  },
});

export const createProject = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Makes a project.',
  request: projectRequestSchema,
  response: projectSchema,
  async handle(call: Call<ProjectRequest>) {
    const { name, logs_content: logsContent = false, limits = {} } = call.body;
    const project = await administer(call, 'project.created', async ({ access }) => {
      const made = await access.createProject({ name, logsContent, limits: fromWireLimits(limits) });
      return { result: made, project: made.id, subject: made.id, details: { name } };
    });
    return Response.json(toProject(project));
  },
});

export const retrieveProject = defineEndpoint({
  method: 'GET',
  path: ONE,
  summary: 'One project.',
  response: projectSchema,
  async handle({ services, params }) {
    const { access } = await services.records();
    return Response.json(toProject(await found(access.project(params['project_id'] ?? ''), MISSING_PROJECT)));
  },
});

export const updateProject = defineEndpoint({
  method: 'POST',
  path: ONE,
  summary: 'Changes what is given of a project; limits are replaced as a whole.',
  request: projectUpdateSchema,
  response: projectSchema,
  async handle(call: Call<ProjectUpdate>) {
    const { name, logs_content: logsContent, limits } = call.body;
    const id = call.params['project_id'] ?? '';
    const project = await administer(call, 'project.updated', async ({ access }) => {
      const change = {
        ...(name === undefined ? {} : { name }),
        ...(logsContent === undefined ? {} : { logsContent }),
        ...(limits === undefined ? {} : { limits: fromWireLimits(limits) }),
      };
      const result = await found(access.changeProject(id, change), MISSING_PROJECT);
      return { result, project: id, subject: id, details: { ...change } };
    });
    return Response.json(toProject(project));
  },
});

export const archiveProject = defineEndpoint({
  method: 'POST',
  path: `${ONE}/archive`,
  summary: 'Archives a project: its keys are refused, what it keeps stays.',
  response: projectSchema,
  async handle(call) {
    const id = call.params['project_id'] ?? '';
    const project = await administer(call, 'project.archived', async ({ access }) => {
      const result = await found(access.archiveProject(id), MISSING_PROJECT);
      return { result, project: id, subject: id, details: {} };
    });
    return Response.json(toProject(project));
  },
});
