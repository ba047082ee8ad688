#!/usr/bin/env bash
# Builds the llama.cpp that limbic is pinned to, with its RPC back end, from the sources inside the npm package of
# node-llama-cpp (no other download): the library for `limbic --library DIR --rpc HOST:PORT` and the server for the
# other machines. Needs git, cmake and a C++ compiler; about five minutes on two cores.
#
# Usage: bash reproduce/llama-rpc.sh [FOLDER]        (default: llama-rpc)
#   on each other machine:  FOLDER/bin/ggml-rpc-server -H 0.0.0.0 -p 50052
#   here:                   limbic read --library FOLDER/bin --rpc 192.168.1.7:50052,192.168.1.8:50052 --text "..."
# The protocol has no password and trusts who speaks it: only in a network of your own.
set -euo pipefail
folder=${1:-llama-rpc}
version=$(node -p "require('./package.json').optionalDependencies['@node-llama-cpp/linux-x64']")
mkdir -p "$folder"
cd "$folder"
npm pack --silent "node-llama-cpp@$version" > /dev/null
tar xzf "node-llama-cpp-$version.tgz" package/llama/gitRelease.bundle
git clone --quiet package/llama/gitRelease.bundle src
cmake -S src -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DGGML_RPC=ON -DGGML_OPENMP=OFF \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF > cmake.log
cmake --build build -j "$(nproc)" --target llama ggml-rpc ggml-rpc-server > build.log
ln -sfn build/bin bin
rm -rf package "node-llama-cpp-$version.tgz"
echo "$folder/bin: $(cd bin && ls ggml-rpc-server libllama.* libggml-rpc.* | tr '\n' ' ')"
