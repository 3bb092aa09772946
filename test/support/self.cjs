'use strict';
// Lets a file outside of the repository require `node-diffusion`.
const Module = require('node:module');
const path = require('node:path');

const resolve = Module._resolveFilename;
Module._resolveFilename = (name, ...rest) =>
  resolve(name === 'node-diffusion' ? path.resolve(__dirname, '..', '..') : name, ...rest);
