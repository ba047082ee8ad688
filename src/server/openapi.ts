/** @file GET /openapi.json: the description of the API, made from the schemas that check it. */
import { Hono } from 'hono';
import { z } from 'zod';

import {
  chatChunkSchema,
  chatRequestSchema,
  chatResponseSchema,
  errorSchema,
  modelSchema,
  modelsSchema,
} from '../api/chat.ts';
import {
  healthSchema,
  mapRequestSchema,
  mapResponseSchema,
  packsSchema,
  readRequestSchema,
  readResponseSchema,
  runPartSchema,
  runSchema,
  runsSchema,
  shareRequestSchema,
  stateSchema,
} from '../api/lab.ts';
import type { GuardEnv } from './guard.ts';

const requests = {
  ChatRequest: chatRequestSchema,
  ReadRequest: readRequestSchema,
  MapRequest: mapRequestSchema,
  ShareRequest: shareRequestSchema,
} as const;
const responses = {
  ChatResponse: chatResponseSchema,
  ChatChunk: chatChunkSchema,
  Model: modelSchema,
  Models: modelsSchema,
  State: stateSchema,
  ReadResponse: readResponseSchema,
  MapResponse: mapResponseSchema,
  Packs: packsSchema,
  Runs: runsSchema,
  Run: runSchema,
  Health: healthSchema,
  Error: errorSchema,
} as const;

interface RouteInfo {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  readonly request?: keyof typeof requests;
  /** What may stand behind the `?`. */
  readonly query?: z.ZodObject;
  /** Answered without the token too. */
  readonly isOpen?: true;
  /** Content type to schema; null where the content is no JSON. */
  readonly answers: Readonly<Record<string, keyof typeof responses | null>>;
}

const json = (name: keyof typeof responses): RouteInfo['answers'] => ({ 'application/json': name });

/** Every route of the server but the files of the page. */
const routes: readonly RouteInfo[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Writes a reply, as the OpenAI API does, steered and read by the field `limbic`',
    request: 'ChatRequest',
    answers: { ...json('ChatResponse'), 'text/event-stream': 'ChatChunk' },
  },
  {
    method: 'get',
    path: '/v1/models',
    summary: 'Lists the model that is loaded',
    answers: json('Models'),
  },
  { method: 'get', path: '/v1/models/{id}', summary: 'One model', answers: json('Model') },
  {
    method: 'get',
    path: '/api/state',
    summary: 'What is loaded: model, vectors, emotions and their scale',
    answers: json('State'),
  },
  {
    method: 'post',
    path: '/api/read',
    summary: 'Reads a text or a conversation token by token',
    request: 'ReadRequest',
    answers: json('ReadResponse'),
  },
  {
    method: 'post',
    path: '/api/map',
    summary: 'Reads one emotion at every layer',
    request: 'MapRequest',
    answers: json('MapResponse'),
  },
  {
    method: 'get',
    path: '/api/packs',
    summary: 'Where the loaded vectors come from',
    answers: json('Packs'),
  },
  { method: 'get', path: '/api/runs', summary: 'Recorded runs', answers: json('Runs') },
  {
    method: 'get',
    path: '/api/runs/{id}',
    summary: 'One run with its conversations, or a part of them',
    query: runPartSchema,
    answers: json('Run'),
  },
  {
    method: 'get',
    path: '/api/runs/{id}/report',
    summary: 'The report of a run',
    answers: { 'text/html': null },
  },
  {
    method: 'post',
    path: '/api/share',
    summary: 'Makes an offline HTML file of a conversation',
    request: 'ShareRequest',
    answers: { 'text/html': null },
  },
  {
    method: 'get',
    path: '/health',
    summary: 'Whether the server is there; needs no token',
    isOpen: true,
    answers: json('Health'),
  },
  {
    method: 'get',
    path: '/metrics',
    summary: 'Counts and times in the text format of Prometheus',
    answers: { 'text/plain': null },
  },
  {
    method: 'get',
    path: '/openapi.json',
    summary: 'This description',
    answers: { 'application/json': null },
  },
  { method: 'get', path: '/', summary: 'The page', isOpen: true, answers: { 'text/html': null } },
];

/** The OpenAPI 3.1 document. */
function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes)
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'limbic',
      version,
      description: 'Map, watch and steer emotion-like directions in a language model.',
    },
    paths,
    components: {
      schemas: { ...schemasOf(requests, 'input'), ...schemasOf(responses, 'output') },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
    // The second choice is none: a server without a token asks for none.
    security: [{ token: [] }, {}],
  };
}

function operationOf(route: RouteInfo): object {
  const { method, path, summary, request, answers } = route;
  const parameters = parametersOf(route);
  return {
    summary,
    operationId: `${method}${path.replaceAll(/[^a-z0-9]+/gi, '-').replace(/-$/, '')}`,
    ...(route.isOpen === true ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf({ 'application/json': request }) } }),
    responses: {
      '200': { description: summary, content: contentOf(answers) },
      default: { description: 'An error', content: contentOf(json('Error')) },
    },
  };
}

function parametersOf({ path, query }: RouteInfo): object[] {
  const fields = query === undefined ? [] : Object.entries(query.shape);
  return [
    ...(path.includes('{id}')
      ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }]
      : []),
    ...fields.map(([name, field]) => {
      const { $schema: _, ...schema } = z.toJSONSchema(field, { io: 'output' });
      return { name, in: 'query', required: false, schema };
    }),
  ];
}

function contentOf(types: Readonly<Record<string, string | null>>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(types).map(([type, name]) => [
      type,
      name === null ? {} : { schema: { $ref: `#/components/schemas/${name}` } },
    ]),
  );
}

function schemasOf(
  schemas: Readonly<Record<string, z.ZodType>>,
  io: 'input' | 'output',
): Record<string, object> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const { $schema: _, ...described } = z.toJSONSchema(schema, { io });
      return [name, described];
    }),
  );
}

export function openApiRoutes(version: string): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  const document = openApiDocument(version);
  app.get('/openapi.json', (c) => c.json(document));
  return app;
}
