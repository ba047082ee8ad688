import { defineConfig } from 'vite';

/** One script and one style with stable names: the server inlines them into offline files. */
export default defineConfig({
  root: 'web',
  base: './',
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: 100_000,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/page.js',
        assetFileNames: 'assets/page[extname]',
        codeSplitting: false,
      },
    },
  },
  // Not for development whatever NODE_ENV says: that would write the folders of this machine into the page.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact', development: false } },
});
