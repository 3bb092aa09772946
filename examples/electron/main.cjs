'use strict';
// The main process: a window, and the channels that it may use.
const path = require('node:path');
const { app, BrowserWindow, ipcMain } = require('electron');
const { Studio } = require('./studio.cjs');

const studio = new Studio();

async function openWindow() {
  const window = new BrowserWindow({
    width: 420,
    height: 560,
    webPreferences: { preload: path.join(__dirname, 'preload.cjs') },
  });
  await window.loadFile(path.join(__dirname, 'index.html'));
}

// Errors cross IPC as plain objects, so that the window sees their code.
ipcMain.handle('draw', async ({ sender }, { prompt, seed, steps }) => {
  try {
    const png = await studio.draw(sender.id, { prompt, seed, steps }, (event) => {
      if (!sender.isDestroyed()) sender.send('step', event);
    });
    return { png };
  } catch (error) {
    return { error: { code: error.code ?? 'UNKNOWN', message: error.message } };
  }
});
ipcMain.on('cancel', ({ sender }) => studio.cancel(sender.id));

app.on('web-contents-created', (_event, contents) => {
  const { id } = contents;
  contents.on('destroyed', () => studio.cancel(id));
});
app.on('window-all-closed', () => app.quit());
app.on('quit', () => void studio.close());

void app.whenReady().then(openWindow);
