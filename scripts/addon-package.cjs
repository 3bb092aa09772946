'use strict';
// Makes a package that holds an addon and nothing else, for `npm pack`: that of a platform, or that with a device in it. npm installs it where os,
// cpu and libc fit, and lib/binding/load.ts finds it by its name.
const fs = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');

/** Writes all but the addon into `folder`/NAME and returns where that has to go. */
function makeAddonPackage({ os, cpu, device }, folder = path.join(root, 'build', 'packages')) {
  const { name, version, license, engines } = require('../package.json');
  const addon = 'node-diffusion.node';
  const own = [name, os, cpu, device].filter(Boolean).join('-');
  const place = path.join(folder, own);
  fs.rmSync(place, { recursive: true, force: true });
  fs.mkdirSync(place, { recursive: true });
  const manifest = {
    ...{ name: own, version, license, engines },
    description: `The native addon of ${name} ${device ? `with ${device} in it` : `for ${os} on ${cpu}`}`,
    ...{ os: [os], cpu: [cpu], ...(os === 'linux' && { libc: ['glibc'] }) },
    ...{ main: addon, files: [addon, 'NOTICE'] },
  };
  fs.writeFileSync(path.join(place, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of ['LICENSE', 'NOTICE']) fs.copyFileSync(path.join(root, file), path.join(place, file));
  return path.join(place, addon);
}

module.exports = { makeAddonPackage };
