'use strict';
// Runs an Electron app's main process under Node, with a stand-in for the `electron` module that keeps windows and channels in memory;
// then uses it as its page would, and prints what came as JSON. argv: the app's main file.
const { EventEmitter } = require('node:events');
const Module = require('node:module');
const path = require('node:path');

const app = Object.assign(new EventEmitter(), {
  whenReady: () => Promise.resolve(),
  quit: () => app.emit('quit'),
});
const handlers = new Map();
const ipcMain = Object.assign(new EventEmitter(), { handle: (channel, handler) => handlers.set(channel, handler) });

class Contents extends EventEmitter {
  static next = 1;
  id = Contents.next++;
  sent = [];
  isDestroyed = () => false;
  send = (channel, message) => {
    this.sent.push({ channel, message });
    this.emit('sent');
  };
}

const windows = [];
class BrowserWindow {
  webContents = new Contents();
  constructor(options) {
    this.options = options;
    windows.push(this);
    app.emit('web-contents-created', {}, this.webContents);
  }
  async loadFile(file) {
    this.file = file;
  }
}

const load = Module._load;
Module._load = (name, ...rest) => {
  if (name === 'electron') return { app, BrowserWindow, ipcMain };
  return load(name === 'node-diffusion' ? path.resolve(__dirname, '..', '..') : name, ...rest);
};

async function main() {
  require(path.resolve(process.argv[2]));
  await new Promise(setImmediate);
  const [{ webContents: sender, file, options }] = windows;
  const draw = (request) => handlers.get('draw')({ sender }, { prompt: 'a portrait', seed: 1, steps: 4, ...request });
  const result = { page: path.basename(file), preload: path.basename(options.webPreferences.preload) };

  const drawn = await draw({});
  result.png = Buffer.from(drawn.png).toString('base64');
  result.steps = sender.sent.map(({ channel, message: { step, steps, png } }) => [
    channel,
    step,
    steps,
    png.length > 0,
  ]);

  result.refused = (await draw({ steps: 0 })).error;

  const cancelled = draw({ steps: 100 });
  sender.once('sent', () => ipcMain.emit('cancel', { sender }));
  result.cancelled = (await cancelled).error;

  const closed = draw({ steps: 100 });
  sender.once('sent', () => sender.emit('destroyed'));
  result.closed = (await closed).error;

  result.again = Buffer.from((await draw({})).png).toString('base64') === result.png;
  app.emit('window-all-closed');
  console.log(JSON.stringify(result));
}

main();
