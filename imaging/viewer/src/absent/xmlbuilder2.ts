/** Stands in for xmlbuilder2: vtk.js links its XML readers to it, which nothing here calls. */

export function create(): never {
  throw new Error('XML is not read here');
}
