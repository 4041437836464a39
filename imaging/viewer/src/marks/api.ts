/** The annotation API of one case. */

import { json } from '../http';
import { toChange, toWire, type Mark, type Wire } from './mark';
import type { Transport } from './saver';

export class AnnotationApi implements Transport {
  private readonly url: string;

  constructor(caseId: string) {
    this.url = `/api/v1/cases/${encodeURIComponent(caseId)}/annotations`;
  }

  async list(): Promise<readonly Wire[]> {
    return (await json<{ annotations: Wire[] }>(this.url)).body.annotations;
  }

  async create(mark: Mark): Promise<Wire> {
    return this.send('POST', this.url, toWire(mark));
  }

  async replace(id: string, version: number, mark: Mark): Promise<Wire> {
    return this.send('PUT', this.one(id), toChange(mark), version);
  }

  async withdraw(id: string, version: number): Promise<void> {
    await json<void>(this.one(id), { method: 'DELETE', headers: { 'If-Match': `"${version}"` } });
  }

  private one(id: string): string {
    return `${this.url}/${encodeURIComponent(id)}`;
  }

  private async send(method: string, url: string, body: object, version?: number): Promise<Wire> {
    const headers: HeadersInit = version === undefined ? {} : { 'If-Match': `"${version}"` };
    const told = await json<Wire>(url, { method, headers, body: JSON.stringify(body) });
    const tagged = Number(told.etag?.replace(/\D/g, ''));
    return { ...told.body, version: tagged || told.body.version };
  }
}
