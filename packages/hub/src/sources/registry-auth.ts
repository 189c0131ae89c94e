/**
 * Access to a registry: anonymous, by a token of the service that the registry names, or with the user and password
 * that `docker login` has left in its `config.json`. Credential helpers are not run.
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FormatError, RequestError } from '@steelyard/core';
import type { HttpClient } from '../http/client.ts';
import { getJson, isObject, textOf } from '../http/get-json.ts';
import { withRetries } from '../http/retry.ts';
import type { PullContext } from '../pull-plan.ts';
import type { RegistrySource } from '../pull-source.ts';

/** Tokens without a stated life hold a minute; they are renewed a little before their end. */
const DEFAULT_LIFE_S = 60;
const MARGIN_S = 10;

export class RegistryAuth {
  readonly #source: RegistrySource;
  readonly #ping: string;
  readonly #context: PullContext;
  readonly #client: HttpClient;
  #challenge: { scheme: string; parameters: ReadonlyMap<string, string> } | undefined;
  #asked = false;
  #token: { value: string; until: number } | undefined;

  /** @param ping the registry's `/v2/`, which tells how to get in */
  constructor(source: RegistrySource, ping: string, context: PullContext, client: HttpClient) {
    this.#source = source;
    this.#ping = ping;
    this.#context = context;
    this.#client = client;
  }

  /** Asks the registry once how it wants to be asked. */
  async prepare(): Promise<void> {
    if (this.#asked) return;
    const retry = { ...this.#context.options, onNotice: (text: string) => this.#context.notice(text) };
    await withRetries(retry, async () => {
      const response = await this.#client.get({ url: this.#ping, signal: this.#context.signal });
      await response.body?.cancel();
      if (response.status === 401)
        this.#challenge = parseChallenge(response.headers.get('www-authenticate') ?? '');
    });
    this.#asked = true;
  }

  /** Headers for the next request; renews the token when its end is near. */
  async headers(): Promise<Record<string, string>> {
    if (!this.#challenge) return {};
    if (this.#challenge.scheme === 'basic') {
      const basic = await this.#credentials();
      return basic === undefined ? {} : { authorization: `Basic ${basic}` };
    }
    if (!this.#token || this.#token.until <= Date.now()) this.#token = await this.#fetchToken();
    return { authorization: `Bearer ${this.#token.value}` };
  }

  async #fetchToken(): Promise<{ value: string; until: number }> {
    const realm = this.#challenge?.parameters.get('realm') ?? '';
    if (!URL.canParse(realm)) {
      throw new FormatError(
        `${this.#source.registry}: asks for a token from '${realm}'; expected an address`,
      );
    }
    const url = new URL(realm);
    const service = this.#challenge?.parameters.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.set('scope', `repository:${this.#source.repository}:pull`);
    const basic = await this.#credentials();
    const headers: Record<string, string> = basic === undefined ? {} : { authorization: `Basic ${basic}` };
    const explain = (status: number): Error =>
      new RequestError(
        `${url.host} gives no token for ${this.#source.repository} (${status}); check the name, or log in with ` +
          `'docker login ${this.#source.registry}'`,
        'source',
      );
    const { value } = await getJson(
      url.href,
      () => Promise.resolve(headers),
      explain,
      this.#context,
      this.#client,
    );
    const fields = isObject(value) ? value : {};
    const token = textOf(fields['token']) ?? textOf(fields['access_token']);
    if (token === undefined) throw new FormatError(`${url.host}: an answer without 'token'; expected one`);
    const life = typeof fields['expires_in'] === 'number' ? fields['expires_in'] : DEFAULT_LIFE_S;
    return { value: token, until: Date.now() + Math.max(life - MARGIN_S, 1) * 1000 };
  }

  /** `user:password` in base64, as Docker keeps it. */
  async #credentials(): Promise<string | undefined> {
    const { env } = this.#context;
    const folder = env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? homedir(), '.docker');
    try {
      const config: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
      const auths = isObject(config) && isObject(config['auths']) ? config['auths'] : {};
      const entry = auths[this.#source.registry] ?? auths[`https://${this.#source.registry}`];
      return isObject(entry) ? textOf(entry['auth']) : undefined;
    } catch {
      return undefined;
    }
  }
}

function parseChallenge(
  header: string,
): { scheme: string; parameters: ReadonlyMap<string, string> } | undefined {
  const scheme = /^\s*(\w+)/.exec(header)?.[1]?.toLowerCase();
  if (scheme !== 'bearer' && scheme !== 'basic') return undefined;
  const parameters = new Map<string, string>();
  for (const [, name, value] of header.matchAll(/(\w+)="([^"]*)"/g)) {
    if (name !== undefined && value !== undefined) parameters.set(name.toLowerCase(), value);
  }
  return { scheme, parameters };
}
