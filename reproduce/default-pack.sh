#!/usr/bin/env bash
# The pack that limbic ships for its default model: about 20 minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
npm run -s build
node dist/cli/main.js extract --model smollm2-135m --out data/packs/smollm2-135m.safetensors
node dist/cli/main.js validate data/packs/smollm2-135m.safetensors
