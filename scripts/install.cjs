'use strict';
// Runs when the package is installed: leaves it at the prebuilt addon where there is one for this platform, in the tarball or in the platform's
// package, and it loads; else compiles.
const fs = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const platform = `${process.platform}-${process.arch}`;

function isInstalled(name) {
  try {
    return Boolean(require.resolve(`${name}/package.json`, { paths: [root] }));
  } catch {
    return false;
  }
}

if (fs.existsSync(path.join(root, 'prebuilds', platform)) || isInstalled(`node-diffusion-${platform}`)) {
  try {
    require('../dist/binding/load.js').loadOwnAddon();
    process.exit(0);
  } catch (error) {
    console.error(
      `node-diffusion: the prebuilt addon does not load here (${(error.cause ?? error).message}); compiling`,
    );
  }
} else {
  console.error(
    `node-diffusion: no prebuilt addon for ${platform} came with it (npm leaves it out with --omit=optional); compiling`,
  );
}
require('./build-native.cjs');
