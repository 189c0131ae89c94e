/** One model's chat template, or its two: many models have another one for conversations with tools. */

import { FormatError, RequestError } from '@steelyard/core';
import { templateMessage } from './chat-messages.ts';
import type { ChatMessage, ChatTemplate, RenderOptions } from './chat-template-types.ts';
import { Environment, Interpreter, parse, tokenize, type Program, type Scope } from './jinja-library.ts';
import { describeInMessages, describesTools } from './replies/described-tools.ts';
import { templateGlobals, TemplateRefusal } from './template-functions.ts';

export interface TemplateSources {
  /** Used without tools, and with tools where `toolUse` is missing. */
  readonly main: string;
  readonly toolUse?: string | undefined;
  /** `bos_token`, `eos_token` and so on, as templates name them. */
  readonly specialTokens: Readonly<Record<string, string>>;
}

const probe = 'steelyard-probe';

export class JinjaChatTemplate implements ChatTemplate {
  readonly source: string;
  readonly toolSource: string | undefined;
  private readonly sources: TemplateSources;
  private readonly parsed = new Map<string, Program>();
  private readonly wantsParts = new Map<string, boolean>();
  private readonly now: () => Date;

  /** `now` is what `strftime_now` tells the template. */
  constructor(sources: TemplateSources, now: () => Date = () => new Date()) {
    this.source = sources.main;
    this.toolSource = sources.toolUse;
    this.sources = sources;
    this.now = now;
  }

  render(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    const { addGenerationPrompt = true, tools, variables } = options;
    const withTools = tools !== undefined && tools.length > 0;
    const source = withTools ? (this.sources.toolUse ?? this.sources.main) : this.sources.main;
    const keepParts = this.readsOnlyParts(source);
    const told = withTools && describesTools(source) ? describeInMessages(messages, tools) : messages;
    return this.run(source, {
      ...variables,
      messages: told.map((message) => templateMessage(message, keepParts)),
      tools: withTools ? tools : null,
      add_generation_prompt: addGenerationPrompt,
    });
  }

  private run(source: string, variables: Record<string, unknown>): string {
    const program = this.parse(source);
    try {
      const globals = environment(templateGlobals(this.now));
      const scope = environment({ documents: null, ...this.sources.specialTokens, ...variables }, globals);
      const result = new Interpreter(scope).run(program);
      return typeof result.value === 'string' ? result.value : '';
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      if (error instanceof TemplateRefusal) {
        throw new RequestError(
          `The model's chat template refuses these messages: ${detail} Change the messages, or use a raw prompt.`,
          'messages',
        );
      }
      throw new RequestError(
        `The model's chat template failed on these messages: ${detail} Check roles and contents against what the model accepts, or use a raw prompt.`,
        'messages',
      );
    }
  }

  private parse(source: string): Program {
    let program = this.parsed.get(source);
    if (!program) {
      try {
        // Chat templates are written for these two settings.
        const tokens = tokenize(withoutGenerationTags(source), { lstrip_blocks: true, trim_blocks: true });
        program = parse(tokens);
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        throw new FormatError(
          `The model's chat template is not valid Jinja: ${detail} Give another template, or use a raw prompt.`,
          { cause: error },
        );
      }
      this.parsed.set(source, program);
    }
    return program;
  }

  /** Some templates of image models loop over content parts and would print nothing of a plain string. */
  private readsOnlyParts(source: string): boolean {
    let answer = this.wantsParts.get(source);
    if (answer === undefined) {
      answer =
        source.includes('content') &&
        !this.shows(source, probe) &&
        this.shows(source, [{ type: 'text', text: probe }]);
      this.wantsParts.set(source, answer);
    }
    return answer;
  }

  private shows(source: string, content: unknown): boolean {
    try {
      const messages = [{ role: 'user', content }];
      return this.run(source, { messages, tools: null, add_generation_prompt: false }).includes(probe);
    } catch (error) {
      if (error instanceof FormatError) throw error;
      return false;
    }
  }
}

/** A new scope. Every scope has `namespace` already; a variable of that name is left out. */
function environment(variables: Readonly<Record<string, unknown>>, parent?: Scope): Scope {
  const scope = new Environment(parent);
  for (const [name, value] of Object.entries(variables)) {
    if (name !== 'namespace') scope.set(name, value);
  }
  return scope;
}

/** `generation` marks the assistant's words for training; to rendering it is a block that always runs. */
function withoutGenerationTags(source: string): string {
  return source
    .replace(/\{%([-+]?)\s*generation\s*([-+]?)%\}/g, '{%$1 if true $2%}')
    .replace(/\{%([-+]?)\s*endgeneration\s*([-+]?)%\}/g, '{%$1 endif $2%}');
}
