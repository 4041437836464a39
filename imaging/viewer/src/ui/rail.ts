/** Thumbnails of the case's pictures: along the bottom, or a rail at the left where there is room. */

import type { Picture } from '../manifest';
import { t } from '../words';
import { el, mark, say } from './dom';

interface Entry {
  readonly button: HTMLButtonElement;
  readonly count: HTMLElement;
}

export class Rail {
  readonly root: HTMLElement;
  private readonly entries: Entry[] = [];

  constructor(pictures: readonly Picture[], open: (index: number) => void) {
    const list = el('ol', { class: 'rail-list' });
    pictures.forEach((picture, index) => {
      const count = el('span', { class: 'thumb-marks', hidden: true });
      const button = el(
        'button',
        { class: `thumb thumb-${picture.kind}`, type: 'button', onclick: () => open(index) },
        el('span', { class: 'thumb-picture' }, image(picture), picture.frames.length > 1 && el('span', { class: 'thumb-frames' }, String(picture.frames.length))),
        el('span', { class: 'thumb-title' }, picture.title),
        count,
      );
      this.entries.push({ button, count });
      list.append(el('li', {}, button));
    });
    this.root = el('nav', { class: 'rail', 'aria-label': t('pictures') }, list);
  }

  update(current: number, marks: (index: number) => number): void {
    this.entries.forEach(({ button, count }, index) => {
      mark(button, 'aria-current', index === current ? 'true' : null);
      const number = marks(index);
      count.hidden = number === 0;
      say(count, number === 0 ? '' : String(number));
      if (number > 0) mark(count, 'aria-label', t('marks-count', { count: number }));
    });
  }

  reveal(current: number): void {
    const smooth = !matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.entries[current]?.button.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: smooth ? 'smooth' : 'auto' });
  }
}

function image(picture: Picture): HTMLElement | null {
  if (!picture.thumbnail) return null;
  const img = el('img', { src: picture.thumbnail, alt: '', loading: 'lazy', decoding: 'async', draggable: 'false' });
  img.addEventListener('error', () => img.remove());
  return img;
}
