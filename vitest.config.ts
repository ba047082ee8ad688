import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{src,test,web}/**/*.test.{ts,tsx}'],
    globalSetup: './test/fetch-models.ts',
    restoreMocks: true,
    fileParallelism: false,
    testTimeout: 60_000,
    reporters: ['default', './test/plain-reporter.ts'],
  },
});
