import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{src,test}/**/*.test.ts'],
    restoreMocks: true,
    testTimeout: 60_000,
    reporters: ['default', './test/plain-reporter.ts'],
  },
});
