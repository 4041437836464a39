/** The marks at the right: whose, what, when; those of this picture first. */

import type { Mark, Author } from '../marks/mark';
import { moment, t } from '../words';
import { el } from './dom';
import { icon } from './icons';

export interface MarkRow {
  readonly mark: Mark;
  readonly colour: string;
  readonly measure: string;
  /** In which plane the measure's millimetres hold. */
  readonly plane: string;
  /** Why it is not on the server yet, in words; empty when it is. */
  readonly unsaved: string;
  readonly here: boolean;
  readonly where: string;
}

export interface MarksState {
  readonly rows: readonly MarkRow[];
  readonly selected: string | null;
  readonly authors: readonly { author: Author; colour: string; count: number; shown: boolean }[];
  /** What to say when there are no rows. */
  readonly nothing: string;
  readonly mayDraw: boolean;
  readonly me: string;
}

export interface MarksActions {
  go(key: string): void;
  remove(key: string): void;
  write(key: string): void;
  toggle(authorId: string): void;
  close(): void;
}

export class MarksList {
  readonly root: HTMLElement;
  private readonly body = el('div', { class: 'marks-body' });
  private readonly people = el('div', { class: 'marks-people', role: 'group', 'aria-label': t('marks-authors') });

  constructor(private readonly actions: MarksActions) {
    this.root = el(
      'aside',
      { class: 'marks', id: 'marks', 'aria-labelledby': 'marks-title' },
      el(
        'header',
        { class: 'marks-head' },
        el('h2', { id: 'marks-title' }, t('marks')),
        el('button', { class: 'plain', type: 'button', 'aria-label': t('marks-close'), onclick: () => actions.close() }, icon('close')),
      ),
      this.people,
      this.body,
    );
  }

  update(state: MarksState): void {
    const focused = (document.activeElement as HTMLElement | null)?.dataset['focus'];
    this.people.replaceChildren(...state.authors.map((one) => this.person(one, state.me)));
    this.people.hidden = state.authors.length === 0;
    const here = state.rows.filter((row) => row.here);
    const elsewhere = state.rows.filter((row) => !row.here);
    this.body.replaceChildren(
      ...(state.rows.length === 0 ? [el('p', { class: 'marks-empty' }, state.nothing)] : []),
      ...section(t('marks-here'), here.map((row) => this.row(row, state))),
      ...section(t('marks-elsewhere'), elsewhere.map((row) => this.row(row, state))),
    );
    if (focused) this.root.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  private person({ author, colour, count, shown }: MarksState['authors'][number], me: string): HTMLElement {
    const name = author.id === me ? t('author-me', { name: author.name }) : author.name;
    return el(
      'button',
      { class: 'person', type: 'button', 'aria-pressed': String(shown), 'data-focus': `author-${author.id}`, onclick: () => this.actions.toggle(author.id) },
      dot(colour),
      el('span', { class: 'person-name' }, name),
      el('span', { class: 'person-count' }, String(count)),
      icon(shown ? 'eye' : 'eye-off'),
    );
  }

  private row({ mark, colour, measure, plane, unsaved, where, here }: MarkRow, state: MarksState): HTMLElement {
    const name = t(`do-${mark.tool}`);
    const title = mark.text || measure || name;
    const mine = mark.mine && state.mayDraw;
    return el(
      'li',
      { class: `mark-row${state.selected === mark.key ? ' is-selected' : ''}` },
      el(
        'button',
        { class: 'mark-go', type: 'button', 'aria-current': state.selected === mark.key ? 'true' : null, 'data-focus': `mark-${mark.key}`, onclick: () => this.actions.go(mark.key) },
        bar(colour),
        icon(mark.tool),
        el(
          'span',
          { class: 'mark-words' },
          el('span', { class: 'mark-title' }, title),
          mark.text && measure ? el('span', { class: 'mark-measure' }, measure) : null,
          plane ? el('span', { class: 'mark-by' }, plane) : null,
          el('span', { class: 'mark-by' }, [mark.author.name, here ? '' : where, moment(mark.at)].filter(Boolean).join(' · ')),
          unsaved ? el('span', { class: 'mark-unsaved' }, unsaved) : null,
        ),
      ),
      mine ? this.action('edit', t('mark-write', { name: title }), `write-${mark.key}`, () => this.actions.write(mark.key)) : null,
      mine ? this.action('bin', t('mark-remove', { name: title }), `remove-${mark.key}`, () => this.actions.remove(mark.key)) : null,
    );
  }

  private action(name: 'edit' | 'bin', label: string, focus: string, run: () => void): HTMLElement {
    return el('button', { class: 'plain mark-action', type: 'button', 'aria-label': label, title: label, 'data-focus': focus, onclick: run }, icon(name));
  }
}

function section(title: string, rows: readonly HTMLElement[]): HTMLElement[] {
  if (rows.length === 0) return [];
  return [el('h3', {}, title), el('ul', { class: 'mark-rows' }, ...rows)];
}

function dot(colour: string): SVGElement {
  return swatch('dot', colour, 'M6 6m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0', '0 0 12 12');
}

function bar(colour: string): SVGElement {
  return swatch('bar', colour, 'M0 0h4v40h-4z', '0 0 4 40');
}

/** Colour as an attribute: the page's policy allows no inline style. */
function swatch(kind: string, colour: string, d: string, viewBox: string): SVGElement {
  const root = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  root.setAttribute('class', `swatch swatch-${kind}`);
  root.setAttribute('viewBox', viewBox);
  root.setAttribute('preserveAspectRatio', 'none');
  root.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', d);
  path.setAttribute('fill', colour);
  root.append(path);
  return root;
}
