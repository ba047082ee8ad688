import { expect, test } from 'vitest';
import { z } from 'zod';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import { createApp } from './app.ts';

const deps = plainDeps(await openToyLab());
const app = createApp(deps);

/** What OpenAPI 3.1 asks of a document and its operations, as far as we use it. */
const contentSchema = z.record(
  z.string().regex(/^[a-z]+\/[a-z-]+$/),
  z.strictObject({ schema: z.strictObject({ $ref: z.string() }).optional() }),
);
const operationSchema = z.strictObject({
  summary: z.string().min(5),
  operationId: z.string().regex(/^[\w-]+$/),
  parameters: z
    .array(
      z.discriminatedUnion('in', [
        z.strictObject({
          name: z.string(),
          in: z.literal('path'),
          required: z.literal(true),
          schema: z.object({ type: z.literal('string') }),
        }),
        z.strictObject({
          name: z.string(),
          in: z.literal('query'),
          required: z.literal(false),
          schema: z.object({ type: z.literal('integer'), minimum: z.literal(0) }),
        }),
      ]),
    )
    .optional(),
  security: z.tuple([]).optional(),
  requestBody: z.strictObject({ required: z.boolean(), content: contentSchema }).optional(),
  responses: z.record(
    z.string().regex(/^(\d{3}|default)$/),
    z.strictObject({ description: z.string().min(1), content: contentSchema }),
  ),
});
const documentSchema = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.object({ title: z.string(), version: z.string() }),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'post']), operationSchema),
  ),
  components: z.object({
    schemas: z.record(z.string(), z.looseObject({ type: z.literal('object') })),
    securitySchemes: z.record(z.string(), z.object({ type: z.literal('http') })),
  }),
  security: z.array(z.record(z.string(), z.array(z.string()))),
});
const document = documentSchema.parse(await (await app.request('/openapi.json')).json());

test('the document describes every route of the server, and no other', () => {
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`);
  expect(described.toSorted()).toEqual([...new Set(served)].toSorted());
});

test('operations have ids of their own, references lead somewhere, and paths name their parameters', () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, operation })),
  );
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, operation } of operations) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const inPath = operation.parameters?.filter((parameter) => parameter.in === 'path') ?? [];
    expect(inPath.map(({ name }) => name)).toEqual(names);
    for (const [, name] of JSON.stringify(operation).matchAll(/#\/components\/schemas\/(\w+)/g))
      expect(document.components.schemas).toHaveProperty(name!);
  }
});

test('the document names the part of a run that can be asked for, and the routes that need no token', async () => {
  const run = document.paths['/api/runs/{id}']?.get?.parameters ?? [];
  expect(run.filter((parameter) => parameter.in === 'query').map(({ name }) => name)).toEqual([
    'conversation',
    'turn',
  ]);
  const locked = createApp({ ...deps, token: 'secret' });
  for (const [path, { get }] of Object.entries(document.paths)) {
    if (get === undefined) continue;
    const { status } = await locked.request(path.replace('{id}', 'x'));
    expect(get.security !== undefined, path).toBe(status !== 401);
  }
});

test('the schemas are those of the code: what they ask for is what is checked', async () => {
  const { ChatRequest, ShareRequest } = document.components.schemas;
  expect(ChatRequest).toMatchObject({
    required: ['messages'],
    properties: { temperature: {}, limbic: {}, stream: { default: false } },
  });
  expect(ShareRequest?.['required']).toEqual(['title', 'emotions', 'turns']);
  // Nothing may point outside of the document.
  const references = JSON.stringify(document.components).match(/"\$ref":"[^"]*"/g) ?? [];
  expect(references).toEqual([]);
});
