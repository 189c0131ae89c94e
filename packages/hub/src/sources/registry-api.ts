/** The distribution protocol: manifests by tag or digest, blobs by digest, tokens when asked for. */

import { createHash } from 'node:crypto';
import { FormatError, NotFoundError, RequestError, UnsupportedError } from '@steelyard/core';
import type { HttpClient } from '../http/client.ts';
import { getJson, isObject, textOf, type JsonObject } from '../http/get-json.ts';
import { isLoopback } from '../http/loopback.ts';
import type { PlannedFile, PullContext } from '../pull-plan.ts';
import type { RegistrySource } from '../pull-source.ts';
import { RegistryAuth } from './registry-auth.ts';

const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');
const MAX_LAYERS = 2_000;
const DIGEST = /^sha256:([0-9a-f]{64})$/;

export interface Layer {
  readonly mediaType: string;
  /** `sha256:…`. */
  readonly digest: string;
  readonly size: number;
  readonly annotations: JsonObject;
}

export class Registry {
  readonly #source: RegistrySource;
  readonly #context: PullContext;
  readonly #client: HttpClient;
  readonly #base: string;
  readonly #auth: RegistryAuth;

  constructor(source: RegistrySource, context: PullContext, client: HttpClient) {
    this.#source = source;
    this.#context = context;
    this.#client = client;
    const scheme = isLoopback(source.registry) ? 'http' : 'https';
    this.#base = `${scheme}://${source.registry}/v2/${source.repository}`;
    this.#auth = new RegistryAuth(source, `${scheme}://${source.registry}/v2/`, context, client);
  }

  /** The manifest of the reference; of an index, its first model. Both are checked against their digests. */
  async manifest(): Promise<{ manifest: JsonObject; digest: string }> {
    let found = await this.#get(this.#source.reference);
    const listed = found.manifest['manifests'];
    if (Array.isArray(listed)) {
      const first = (listed as unknown[]).find(
        (item) => isObject(item) && DIGEST.test(String(item['digest'])),
      );
      const digest = isObject(first) ? textOf(first['digest']) : undefined;
      if (digest === undefined)
        throw new FormatError(`${this.#where}: an index without manifests; expected a model`);
      found = await this.#get(digest);
    }
    return found;
  }

  layers(manifest: JsonObject): Layer[] {
    const layers = manifest['layers'];
    if (!Array.isArray(layers) || layers.length === 0 || layers.length > MAX_LAYERS) {
      throw new FormatError(`${this.#where}: expected a manifest with 1 to ${MAX_LAYERS} layers`);
    }
    return (layers as unknown[]).map((item) => this.#layer(item));
  }

  /** A layer as a file to fetch. */
  file(layer: Layer, path: string): PlannedFile {
    return {
      path,
      size: layer.size,
      sha256: layer.digest.slice('sha256:'.length),
      origin: {
        kind: 'http',
        url: `${this.#base}/blobs/${layer.digest}`,
        headers: () => this.#auth.headers(),
        explain: (status) => this.#refusal(status),
      },
    };
  }

  async #get(reference: string): Promise<{ manifest: JsonObject; digest: string }> {
    await this.#auth.prepare();
    const headers = async (): Promise<Record<string, string>> => ({
      ...(await this.#auth.headers()),
      accept: MANIFEST_TYPES,
    });
    const url = `${this.#base}/manifests/${reference}`;
    const explain = (status: number): Error => this.#refusal(status);
    const answer = await getJson(url, headers, explain, this.#context, this.#client);
    const digest = `sha256:${createHash('sha256').update(answer.bytes).digest('hex')}`;
    const promised = DIGEST.test(reference) ? reference : answer.headers.get('docker-content-digest');
    if (promised?.startsWith('sha256:') && promised !== digest) {
      throw new FormatError(`${this.#where}: the manifest is ${digest}, ${promised} was promised; not used`);
    }
    if (!isObject(answer.value)) throw new FormatError(`${this.#where}: the manifest is no object`);
    return { manifest: answer.value, digest };
  }

  #layer(item: unknown): Layer {
    const layer = isObject(item) ? item : {};
    const { digest, size } = layer;
    if (typeof digest !== 'string' || !Number.isSafeInteger(size) || (size as number) < 0) {
      throw new FormatError(`${this.#where}: a layer without digest or size; expected both`);
    }
    if (!DIGEST.test(digest)) {
      throw new UnsupportedError(
        `${this.#where}: layer digest '${digest.slice(0, 80)}'; expected sha256:<64 hex>`,
      );
    }
    return {
      mediaType: textOf(layer['mediaType']) ?? '',
      digest,
      size: size as number,
      annotations: isObject(layer['annotations']) ? layer['annotations'] : {},
    };
  }

  get #where(): string {
    return `${this.#source.registry}/${this.#source.repository}`;
  }

  #refusal(status: number): Error {
    const { registry, repository, reference } = this.#source;
    if (status === 404) {
      return new NotFoundError(`${registry} has no ${repository} with '${reference}'; check name and tag`);
    }
    return new RequestError(
      `${registry} refuses access to ${repository} (${status}); check the name; if it is private, log in with ` +
        `'docker login ${registry}' (its config.json is read)`,
      'source',
    );
  }
}
