import { defineConfig, type Plugin } from 'vite';

const here = (path: string) => new URL(path, import.meta.url).pathname;

/**
 * What Cornerstone3D and vtk.js carry along and this viewer never calls: the DICOM dictionary and
 * part-10 reader (we get DICOM JSON), vtk's XML readers and its WebGPU half: together half of the
 * download. And what the codecs would use in Node.
 */
const LEFT_OUT: readonly [RegExp, string][] = [
  [/^dcmjs$/, here('src/absent/dcmjs.ts')],
  [/^xmlbuilder2$/, here('src/absent/xmlbuilder2.ts')],
  [/^(fs|path|crypto)$/, here('src/absent/nothing.ts')],
  [/WebGPU\/Profiles\/\w+\.js$/, here('src/absent/nothing.ts')],
];

function leaveOut(): Plugin {
  return {
    name: 'leave-out',
    enforce: 'pre',
    resolveId: (source) => LEFT_OUT.find(([pattern]) => pattern.test(source))?.[1] ?? null,
  };
}

export default defineConfig({
  base: './',
  plugins: [leaveOut()],
  worker: {
    plugins: () => [leaveOut()],
    format: 'es',
    rolldownOptions: {
      output: { entryFileNames: 'assets/[name]-[hash].js', chunkFileNames: 'assets/[name]-[hash].js', assetFileNames: 'assets/[name]-[hash][extname]' },
    },
  },
  build: {
    outDir: here('../../registry/static/viewer'),
    emptyOutDir: true,
    target: 'es2022',
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    // the one large chunk is Cornerstone3D, fetched after the first picture is on the screen
    chunkSizeWarningLimit: 2200,
    rolldownOptions: {
      input: here('src/main.ts'),
      output: {
        entryFileNames: 'viewer.js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: (asset) => (asset.names.some((name) => name.endsWith('.css')) ? 'viewer.css' : 'assets/[name]-[hash][extname]'),
      },
    },
  },
});
