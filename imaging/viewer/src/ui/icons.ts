/** Line icons on a grid of 24, drawn for this viewer. */

import { svg } from './dom';

const PATHS = {
  window: 'M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16M15 7.5h2.2M15 12h5M15 16.5h2.2',
  zoom: 'M10.5 5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM14.6 14.6 20 20M8 10.5h5M10.5 8v5',
  pan: 'M12 4v16M4 12h16M9.5 6.5 12 4l2.5 2.5M9.5 17.5 12 20l2.5-2.5M6.5 9.5 4 12l2.5 2.5M17.5 9.5 20 12l-2.5 2.5',
  scroll: 'M6 9h12v10H6zM8 6h8M10 3h4M12 11.5v5M10.3 14.8 12 16.5l1.7-1.7',
  length: 'M5.5 18.5 18.5 5.5M3.4 16.4l4.2 4.2M16.4 3.4l4.2 4.2',
  angle: 'M18 5.5 5 19h15M12.6 11.2a9 9 0 0 1 3.3 7.8',
  arrow: 'M5.5 5.5 17 17M5 11.5v-6.5h6.5M15 20h5M17.5 17.5v5',
  freehand: 'M4 18c4 1 2-7 6-8s3 6 6 4 1-7 4-8',
  'rotate-right': 'M18.5 9A7.2 7.2 0 1 0 19.2 13.5M19.5 4.5V9.3h-4.8',
  'flip-across': 'M12 4v2.5M12 10.7v2.6M12 17.5V20M9 7v10H3.5zM15 7v10h5.5z',
  'flip-down': 'M4 12h2.5M10.7 12h2.6M17.5 12H20M7 9h10V3.5zM7 15h10v5.5z',
  invert: 'M4.5 4.5h15v15h-15zM4.5 19.5l15-15v15z',
  fit: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5M9 9h6v6H9z',
  reset: 'M4.5 9.5A8 8 0 1 1 4 13M4 4.5v5h5',
  undo: 'M8 5 4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11h-3',
  back: 'M14.5 5.5 8 12l6.5 6.5',
  marks: 'M4 18.5 15 7.5l1.5 1.5L5.5 20H4zM13 5.5l3-1.5 4 4-1.5 3M13 20h7',
  help: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM9.8 9.7a2.3 2.3 0 1 1 3.4 2.3c-.8.5-1.2.9-1.2 1.9M12 16.6v.2',
  close: 'M6 6l12 12M18 6 6 18',
  bin: 'M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5',
  eye: 'M3 12c2.5-4.3 5.5-6.5 9-6.5s6.5 2.2 9 6.5c-2.5 4.3-5.5 6.5-9 6.5S5.5 16.3 3 12zM12 9.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z',
  'eye-off': 'M4 4l16 16M9.5 6C10.3 5.7 11.1 5.5 12 5.5c3.5 0 6.5 2.2 9 6.5-.8 1.4-1.7 2.6-2.7 3.5M15 17.9c-1 .4-2 .6-3 .6-3.5 0-6.5-2.2-9-6.5.9-1.6 1.9-2.8 3-3.8',
  warn: 'M12 4.5 21 19.5H3zM12 10v4.5M12 17v.2',
  edit: 'M4 20l1-4L15.5 5.5l3 3L8 19zM13.5 7.5l3 3',
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGSVGElement {
  const root = svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' });
  root.append(svg('path', { d: PATHS[name] }));
  return root;
}
