/** Starting Cornerstone3D once, for the graphics and the memory of this machine. */

import { cache, getConfiguration, getShouldUseCPURendering, init, setUseCPURendering } from '@cornerstonejs/core';
import type { Picture } from '../manifest';
import { registerSource } from './source';

const MEGABYTE = 2 ** 20;
const SMALL_MACHINE_GB = 4;

let started = false;

/** Without WebGL Cornerstone3D draws on a plain canvas by itself; so it must when a picture exceeds the textures. */
export function startCornerstone(longestSide: number): void {
  if (started) return;
  started = true;
  const settings = getConfiguration();
  init({ ...settings, rendering: { ...settings.rendering, webGlContextCount: 1 } });
  if (longestSide > largestTexture()) setUseCPURendering(true);
  const memory = (navigator as { deviceMemory?: number }).deviceMemory ?? SMALL_MACHINE_GB;
  cache.setMaxCacheSize((memory < SMALL_MACHINE_GB ? 256 : 768) * MEGABYTE);
  registerSource(getShouldUseCPURendering());
}

function largestTexture(): number {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) return 0;
  const size = Number(gl.getParameter(gl.MAX_TEXTURE_SIZE));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return size;
}

/** The cache drops what was not looked at for longest; a stack must not push itself out. */
export function roomFor({ frames }: Picture, atOnce: number): boolean {
  const { rows, columns } = frames[0]!;
  return cache.getCacheSize() + atOnce * rows * columns * Float32Array.BYTES_PER_ELEMENT < cache.getMaxCacheSize();
}
