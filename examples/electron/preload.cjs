'use strict';
// What the page may ask of the main process, and nothing else.
const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('diffusion', {
  draw: (request) => ipcRenderer.invoke('draw', request),
  cancel: () => ipcRenderer.send('cancel'),
  onStep: (listener) => ipcRenderer.on('step', (_event, step) => listener(step)),
});
