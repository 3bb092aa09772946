/** Dependencies point one way, in lib/ and in native/, and there are no cycles. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';

const root = path.resolve(__dirname, '..');

/** What each room may import beside itself. */
const libRooms: Record<string, string[]> = {
  'index.ts': ['errors.ts', 'image', 'model', 'pipeline', 'prompt', 'sampling'],
  'errors.ts': [],
  'files.ts': ['errors.ts'],
  cli: ['errors.ts', 'files.ts', 'bench', 'pipeline', 'model', 'sampling', 'prompt'],
  bench: ['errors.ts', 'files.ts', 'pipeline', 'model', 'image'],
  pipeline: ['errors.ts', 'prompt', 'sampling', 'model', 'image'],
  prompt: ['errors.ts'],
  sampling: ['errors.ts'],
  model: ['errors.ts', 'files.ts', 'binding'],
  image: ['errors.ts', 'files.ts'],
  binding: ['errors.ts'],
};

const nativeRooms: Record<string, string[]> = {
  'error.h': [],
  'huge_pages.h': [],
  addon: ['error.h', 'engine', 'kernels', 'backend', 'weights'],
  engine: ['error.h', 'huge_pages.h', 'models', 'ops', 'weights', 'backend'],
  models: ['error.h', 'ops', 'weights'],
  ops: ['error.h', 'kernels', 'backend'],
  weights: ['error.h', 'huge_pages.h', 'kernels', 'backend'],
  kernels: ['error.h', 'huge_pages.h'],
  backend: ['error.h'],
  fuzz: ['error.h', 'engine', 'weights'],
  portable: [],
};

function imports(folder: string, ending: RegExp, pattern: RegExp, resolve: (file: string, name: string) => string) {
  const edges = new Map<string, string[]>();
  for (const name of readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })) {
    const file = name.split(path.sep).join('/');
    if (!ending.test(file) || file.startsWith('test/')) continue;
    const text = readFileSync(path.join(root, folder, file), 'utf8');
    edges.set(
      file,
      [...text.matchAll(pattern)].map(([, target]) => resolve(file, target)),
    );
  }
  return edges;
}

const room = (file: string) => file.split('/')[0];

function checkRooms(t: Test, edges: Map<string, string[]>, rooms: Record<string, string[]>) {
  t.ok(edges.size > 10, `${edges.size} files`);
  for (const [file, targets] of edges) {
    const allowed = rooms[room(file)];
    t.ok(allowed, `${file} is in a known room`);
    for (const target of targets) {
      if (room(target) !== room(file) && !allowed.includes(room(target))) t.fail(`${file} must not import ${target}`);
    }
  }
}

t.test('lib', async (t) => {
  const edges = imports(
    'lib',
    /\.ts$/,
    /(?:from|import)\s+'(\.[^']*)'/g,
    (file, name) => `${path.posix.join(path.posix.dirname(file), name)}.ts`,
  );
  checkRooms(t, edges, libRooms);
  for (const [file, targets] of edges) {
    for (const target of targets) t.ok(edges.has(target), `${file} imports ${target}, which exists`);
  }
  t.strictSame(cycle(edges), [], 'no cycles');
});

t.test('native', async (t) => {
  const edges = imports('native', /\.(cc|h)$/, /#include "native\/([^"]+)"/g, (_file, name) => name);
  checkRooms(t, edges, nativeRooms);
  t.strictSame(cycle(edges), [], 'no cycles');
  for (const [file] of edges) {
    const text = readFileSync(path.join(root, 'native', file), 'utf8');
    if (room(file) !== 'addon') t.notMatch(text, /#include <(napi|node_api)/, `${file} knows nothing of N-API`);
  }
});

/** The files of some cycle, or none. */
function cycle(edges: Map<string, string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    if (done.has(file)) return [];
    if (path.includes(file)) return path.slice(path.indexOf(file));
    path.push(file);
    for (const target of edges.get(file) ?? []) {
      const found = visit(target);
      if (found.length > 0) return found;
    }
    path.pop();
    done.add(file);
    return [];
  };
  for (const file of edges.keys()) {
    const found = visit(file);
    if (found.length > 0) return found;
  }
  return [];
}
