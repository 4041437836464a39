/**
 * Stands in for dcmjs. Cornerstone3D looks every keyword it knows up in the dictionary at start, logs
 * through dcmjs, and asks nothing more of it here; the one answer below keeps it from complaining.
 */

import log from 'loglevel';

class Unused {}

const ENTRY = { tag: '(0000,0000)', name: 'Unused', vr: 'UN', vm: '1' };
const known = (keyword: string | symbol) => (/^[A-Z]/.test(String(keyword)) ? ENTRY : undefined);
const KEYWORDS = new Proxy(
  {},
  {
    get: (_, keyword) => known(keyword),
    getOwnPropertyDescriptor: (_, keyword) =>
      known(keyword) && { value: ENTRY, configurable: true, enumerable: true },
  },
);

export { log };
export const constants = {};
export default {
  data: { DicomMetaDictionary: { dictionary: {}, nameMap: KEYWORDS } },
  async: { AsyncDicomReader: Unused },
  utilities: { DicomMetadataListener: Unused },
};
