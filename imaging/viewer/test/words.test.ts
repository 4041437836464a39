import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/keys';
import en from '../src/locale/en.json';
import zh from '../src/locale/zh.json';
import { TOOLS } from '../src/marks/mark';
import { decimal, moment, pseudo, t, use, type Catalogue } from '../src/words';

const stem = (key: string) => key.replace(/\.(one|other)$/, '');
const fillings = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
const TROUBLES = ['offline', 'signed-out', 'denied', 'missing', 'changed', 'invalid', 'busy', 'server'];

const SOURCES = import.meta.glob<string>('../src/**/*.ts', { query: '?raw', import: 'default', eager: true });

/** Every key the sources name outright, and those they make from a list. */
function wanted(): Set<string> {
  const code = Object.values(SOURCES).join('\n');
  const called = [...code.matchAll(/\bt\(\s*'([^']+)'/g)];
  const listed = [...code.matchAll(/'((?:keys|window|gesture|mouse|marks-empty)-[a-z-]+|marks-empty)'/g)];
  return new Set([
    ...[...called, ...listed].map(([, key]) => key!),
    ...Object.keys(COMMANDS).map((command) => `do-${command}`),
    ...TOOLS.map((tool) => `do-${tool}`),
    ...['detector', 'calibrated'].map((plane) => `plane-${plane}`),
    ...['photo', 'radiograph', 'ct', 'other'].map((kind) => `kind-${kind}`),
    ...TROUBLES.map((trouble) => `open-${trouble}`),
    ...['undecodable', 'other', ...TROUBLES.filter((one) => one !== 'changed' && one !== 'invalid')].flatMap((key) => [`fail-${key}`, `fail-${key}-hint`]),
  ]);
}

describe('the catalogues', () => {
  it('have the same keys', () => {
    const keys = (words: Catalogue) => [...new Set(Object.keys(words).map(stem))].sort();
    expect(keys(zh)).toEqual(keys(en));
  });

  it('fill in the same values', () => {
    for (const [key, text] of Object.entries(en) as [string, string][]) {
      const chinese = (zh as Catalogue)[key] ?? (zh as Catalogue)[`${stem(key)}.other`];
      expect(fillings(chinese!), key).toEqual(fillings(text));
    }
  });

  it('are written in their own language', () => {
    const international = /^CT$|^\{/;
    for (const [key, text] of Object.entries(zh)) if (!international.test(text)) expect(text, key).toMatch(/[\u4e00-\u9fff]/);
  });

  it('have every key that is asked for, and none that is not', () => {
    const have = new Set(Object.keys(en).map(stem));
    expect([...wanted()].filter((key) => !have.has(key))).toEqual([]);
    expect([...have].filter((key) => !wanted().has(key))).toEqual([]);
  });

  it('have no plain letter in the pseudo-locale but in what is filled in', () => {
    for (const text of Object.values(pseudo(en))) expect(text.replace(/\{\w+\}/g, '')).not.toMatch(/[A-Za-z]/);
    expect(pseudo({ a: 'Turned {degrees}' })['a']).toBe('Ťúŕñéđ {degrees}');
  });
});

describe('speaking', () => {
  it('chooses the plural of the language', () => {
    use(en, 'en-GB');
    expect(t('marks-count', { count: 1 })).toBe('1 mark');
    expect(t('marks-count', { count: 3 })).toBe('3 marks');
    use(zh, 'zh-CN');
    expect(t('marks-count', { count: 1 })).toBe('1 处标注');
  });

  it('shows a missing key instead of nothing', () => expect(t('no-such-key')).toBe('⟦no-such-key⟧'));

  it('writes numbers with the digits asked for', () => {
    use(en, 'en-GB');
    expect(decimal(5, 1)).toBe('5.0');
    expect(decimal(0.1, 3)).toBe('0.1');
  });

  it('gives times both ways', () => {
    use(en, 'en-GB');
    const now = new Date(2026, 10, 24, 14, 0);
    expect(moment(new Date(2026, 10, 24, 13, 48).toISOString(), now)).toBe('12 min ago, 13:48');
    expect(moment('never', now)).toBe('');
  });
});
