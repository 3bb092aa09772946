/** Where the models that come with the package lie. */
import path from 'node:path';

/**
 * The path of a file in assets/. In an Electron app that is packed into an asar archive, its copy beside the archive: native
 * code cannot read inside (examples/electron/README.md).
 */
export function assetPath(name: string): string {
  const asset = path.resolve(__dirname, '..', '..', 'assets', name);
  return asset.replace(`app.asar${path.sep}`, `app.asar.unpacked${path.sep}`);
}
