'use strict';
// prepack: copies ggml and nlohmann/json from the devDependency into deps/, so that the published package compiles by itself.
// postpack: --clean takes them away again (deps/ is git-ignored).
const fs = require('node:fs');
const path = require('node:path');

const deps = path.join(path.resolve(__dirname, '..'), 'deps');
fs.rmSync(deps, { recursive: true, force: true });
if (process.argv.includes('--clean')) process.exit(0);

const whisper = path.join(path.dirname(require.resolve('ggml-source/package.json')), 'cpp', 'whisper.cpp');
const source = path.join(whisper, 'ggml');
const backends = new Set(['ggml-blas', 'ggml-cuda', 'ggml-metal', 'ggml-vulkan']);
fs.cpSync(source, path.join(deps, 'ggml'), {
  recursive: true,
  filter(file) {
    const [top, folder, name] = path.relative(source, file).split(path.sep);
    if (folder === 'ggml-cpu') return !name || name === 'ggml-cpu-impl.h'; // which ggml-base includes
    return !(top === 'src' && folder?.startsWith('ggml-') && !folder.includes('.') && !backends.has(folder));
  },
});
fs.copyFileSync(path.join(whisper, 'LICENSE'), path.join(deps, 'ggml', 'LICENSE'));
fs.mkdirSync(path.join(deps, 'json'));
fs.copyFileSync(path.join(whisper, 'examples', 'json.hpp'), path.join(deps, 'json', 'json.hpp'));
