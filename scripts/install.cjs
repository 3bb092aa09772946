'use strict';
// Runs when the package is installed: takes the prebuilt addon where there is one for this platform, else compiles it.
const fs = require('node:fs');
const path = require('node:path');
const nodeGypBuild = require('node-gyp-build');

const root = path.resolve(__dirname, '..');
const prebuilt = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);

if (fs.existsSync(prebuilt)) {
  try {
    nodeGypBuild(root);
    process.exit(0);
  } catch (error) {
    console.error(`node-diffusion: the prebuilt addon does not load here (${error.message}); compiling it`);
  }
}
require('./build-native.cjs');
