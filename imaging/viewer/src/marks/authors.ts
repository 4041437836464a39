/**
 * Whose colour. Authors take the palette in the order of their first annotation on the case (the ids
 * are time-ordered), so both ends of a telephone call, and the picture on the case page, agree on which
 * arrow is the amber one.
 */

import type { Mark } from './mark';

export const PALETTE = ['#5cc3cc', '#ffb454', '#c792ea', '#8bd17c', '#ff8fa3', '#82aaff', '#ffe066', '#f78c6c'] as const;

/** Author id → colour; `me` comes after everybody who has already drawn. */
export function coloursOf(marks: Iterable<Mark>, me: string): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  for (const { id, author } of marks) {
    if (id === null) continue;
    const known = first.get(author.id);
    if (known === undefined || id < known) first.set(author.id, id);
  }
  const order = [...first].sort(([, a], [, b]) => (a < b ? -1 : 1)).map(([author]) => author);
  if (!first.has(me)) order.push(me);
  return new Map(order.map((author, i) => [author, PALETTE[i % PALETTE.length]!]));
}
