/** The people and marks the tests speak of. */

import type { Mark, Wire } from '../src/marks/mark';

export const LIN = { id: '0190-lin', name: '林海' };
export const ZHOU = { id: '0190-zhou', name: 'Zhou Wei' };

export function markBy(author: typeof LIN, more: Partial<Mark> = {}): Mark {
  return {
    key: 'k1',
    id: null,
    version: 0,
    instanceId: 'film',
    frame: 1,
    tool: 'length',
    points: [
      [10, 10],
      [40, 50],
    ],
    text: '',
    finding: null,
    author,
    at: '2026-11-24T05:00:00Z',
    mine: author === LIN,
    ...more,
  };
}

export function wireOf(mark: Mark, id: string, version: number): Wire {
  return {
    id,
    instance_id: mark.instanceId,
    frame: mark.frame,
    tool: mark.tool,
    points: mark.points,
    text: mark.text,
    finding: mark.finding,
    version,
    author: mark.author,
    at: mark.at,
    mine: mark.mine,
  };
}
