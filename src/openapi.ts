import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { PROBLEMS } from './platform/index.js';

interface Operation {
  parameters?: { name: string; in?: string; description?: string; required?: boolean; schema?: object }[];
  responses?: Record<string, unknown>;
}

/** The OpenAPI document, made from the controllers, DTOs and their docblocks. */
export function buildOpenApi(app: NestFastifyApplication, version: string): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Lakehook')
    .setDescription('Takes events in, never loses one, delivers them as signed webhooks. Every `/v1/...` path also answers under `/api/...`. Errors are RFC 9457 problems; lists answer `{data, next_cursor}`.')
    .setVersion(version)
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'lh_live_…', description: 'An API key, `lh_live_…`. `X-API-Key: <key>` works too.' });
  const document = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  document.components ??= {};
  document.components.schemas = {
    ...document.components.schemas,
    Problem: {
      type: 'object',
      required: ['type', 'title', 'status', 'detail', 'code', 'instance'],
      properties: {
        type: { type: 'string' }, title: { type: 'string' }, status: { type: 'integer' }, detail: { type: 'string' },
        code: { type: 'string', enum: Object.keys(PROBLEMS) }, instance: { type: 'string' },
        errors: { type: 'array', items: { type: 'object', required: ['pointer', 'detail'], properties: { pointer: { type: 'string' }, detail: { type: 'string' } } } },
      },
    },
  };
  // A field with a default may be left out; the generator says otherwise because its class always has a value.
  for (const schema of Object.values(document.components.schemas)) {
    if (!('properties' in schema) || !schema.required) continue;
    schema.required = schema.required.filter((name) => !('default' in schema.properties![name]!));
  }
  for (const operations of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(operations as Record<string, Operation>)) {
      if (method === 'post') operation.parameters = [...(operation.parameters ?? []), { name: 'Idempotency-Key', in: 'header', required: false, description: 'Sent again within 24 hours with the same key and body, the request gets its first answer again.', schema: { type: 'string' } }];
      for (const parameter of operation?.parameters ?? []) if (parameter.schema && 'default' in parameter.schema) parameter.required = false;
      if (operation?.responses) operation.responses.default = { description: 'A problem', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
    }
  }
  return document;
}

/** Serves `/openapi.json` and a rendered page at `/docs`. */
export function serveOpenApi(app: NestFastifyApplication, version: string): void {
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup('docs', app, () => (document ??= buildOpenApi(app, version)), { jsonDocumentUrl: 'openapi.json', yamlDocumentUrl: 'openapi.yaml', customSiteTitle: 'Lakehook API' });
}
