declare module 'node-gyp-build' {
  /** Loads the addon of the package in `root`: a local build first, then a prebuild for this platform. */
  interface Load {
    (root: string): unknown;
    resolve(root: string): string;
  }
  const load: Load;
  export = load;
}
