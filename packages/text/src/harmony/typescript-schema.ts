/**
 * Tools as gpt-oss was taught to read them: JSON schemas as TypeScript types, with descriptions and defaults as comments.
 * Layout and oddities are those of OpenAI's own renderer, since the model has seen no others.
 * @see `json_schema_to_typescript` of openai-harmony 0.0.8
 */

type Schema = Readonly<Record<string, unknown>>;

export interface FunctionTool {
  readonly name: string;
  readonly description?: string | undefined;
  readonly parameters?: unknown;
}

/** Section `# Tools` with one namespace. */
export function describeTools(namespace: string, tools: readonly FunctionTool[]): string {
  const lines = tools.flatMap(({ name, description = '', parameters }) => [
    ...splitLines(description).map((line) => `// ${line}`),
    isObject(parameters)
      ? `type ${name} = (_: ${typeOf(parameters, '')}) => any;\n`
      : `type ${name} = () => any;\n`,
  ]);
  const body = [`namespace ${namespace} {\n`, ...lines, `} // namespace ${namespace}`];
  return `# Tools\n\n## ${namespace}\n\n${body.join('\n')}`;
}

function typeOf(schema: Schema, indent: string): string {
  const { oneOf, type } = schema;
  if (Array.isArray(oneOf)) {
    return variantsOf(oneOf)
      .map((variant) => {
        const comments = [textOf(variant.description), defaultOf(variant, '"')];
        return `\n${indent} | ${nullable(variant, `${indent}   `)}${trailing(comments)}`;
      })
      .join('');
  }
  const names = Array.isArray(type) ? type.filter((name) => typeof name === 'string') : [];
  if (names.length > 0) return names.map((name) => (name === 'integer' ? 'number' : name)).join(' | ');
  switch (type) {
    case 'object':
      return objectOf(schema, indent);
    case 'string':
      return enumOf(schema) || 'string';
    case 'number':
    case 'integer':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array':
      return 'items' in schema ? `${typeOf(asSchema(schema.items), indent)}[]` : 'Array<any>';
    default:
      return 'any';
  }
}

function objectOf(schema: Schema, indent: string): string {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  const properties = Object.entries(asSchema(schema.properties)).map(([key, value]) =>
    propertyOf(`${indent}${key}${required.has(key) ? '' : '?'}:`, asSchema(value), indent),
  );
  return `${comment(schema.description, indent)}{\n${properties.join('')}${indent}}`;
}

/** @param label indentation, name and colon */
function propertyOf(label: string, schema: Schema, indent: string): string {
  const title = typeof schema.title === 'string' ? `${indent}// ${schema.title}\n${indent}//\n` : '';
  const examples = examplesOf(schema, indent);
  if (Array.isArray(schema.oneOf)) return `${title}${examples}${unionProperty(label, schema, indent)}`;
  const standard = defaultOf(schema, '');
  return (
    `${title}${comment(schema.description, indent)}${examples}` +
    `${label} ${nullable(schema, `${indent}    `)},${standard ? ` // ${standard}` : ''}\n`
  );
}

/** A description that the first variant repeats is shown there, else above the name. */
function unionProperty(label: string, schema: Schema, indent: string): string {
  const variants = variantsOf(schema.oneOf as unknown[]);
  const own = textOf(schema.description);
  const above = own !== undefined && variants[0]?.description !== own;
  const standard = defaultOf(schema, '');
  const lines = variants.map((variant, i) => {
    const text = textOf(variant.description);
    const shown = (i === 0 && above) || text === own ? undefined : text;
    return `${indent} | ${nullable(variant, `${indent}   `)}${trailing([shown, defaultOf(variant, '')])}\n`;
  });
  return (
    `${above ? comment(own, indent) : ''}${standard ? `${indent}// ${standard}\n` : ''}` +
    `${label}\n${lines.join('')}${indent},\n`
  );
}

function nullable(schema: Schema, indent: string): string {
  const type = typeOf(schema, indent);
  return schema.nullable === true && !type.includes('null') ? `${type} | null` : type;
}

function enumOf({ enum: values }: Schema): string {
  const texts = Array.isArray(values) ? values.filter((value) => typeof value === 'string') : [];
  return texts.map((text) => `"${text}"`).join(' | ');
}

/** `quote`: what stands around a default that is one of an enum; others that are text are quoted always. */
function defaultOf(schema: Schema, quote: '' | '"'): string | undefined {
  const value = schema.default;
  if (value === undefined) return undefined;
  if (typeof value !== 'string') return `default: ${JSON.stringify(value)}`;
  const mark = Array.isArray(schema.enum) && schema.enum.length > 0 ? quote : '"';
  return `default: ${mark}${value}${mark}`;
}

function examplesOf({ examples }: Schema, indent: string): string {
  if (!Array.isArray(examples) || examples.length === 0) return '';
  const texts = examples.filter((example) => typeof example === 'string');
  return `${indent}// Examples:\n${texts.map((text) => `${indent}// - "${text}"\n`).join('')}`;
}

function comment(text: unknown, indent: string): string {
  return typeof text === 'string' ? `${indent}// ${text}\n` : '';
}

function trailing(comments: readonly (string | undefined)[]): string {
  const shown = comments.filter((text) => text !== undefined);
  return shown.length > 0 ? ` // ${shown.join(' ')}` : '';
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Without the empty line after a last line break. */
function splitLines(text: string): string[] {
  return text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
}

function variantsOf(oneOf: readonly unknown[]): Schema[] {
  return oneOf.map(asSchema);
}

function asSchema(value: unknown): Schema {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
