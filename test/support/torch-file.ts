/** PyTorch checkpoints that tests make of fixtures: the zip format of torch.save, a state dict of contiguous tensors. */
import { writeFileSync } from 'node:fs';
import type { Tensors } from './model-files';

const storages: Record<string, [type: string, bytes: number]> = {
  F32: ['FloatStorage', 4],
  F16: ['HalfStorage', 2],
  BF16: ['BFloat16Storage', 2],
};

/** Pickle's protocol 2, as far as a state dict needs it. */
const pickle = {
  text: (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from('X'), int32(bytes.length), bytes]); // BINUNICODE
  },
  int: (value: number) => Buffer.concat([Buffer.from('J'), int32(value)]), // BININT
  global: (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`),
  tuple: (...items: Buffer[]) => Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')]),
};

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** `torch.save({'state_dict': tensors}, file)` */
export function writeTorchFile(file: string, tensors: Tensors): string {
  const states: Buffer[] = [];
  const entries: [name: string, data: Buffer][] = [];
  for (const [name, { dtype, shape, data }] of tensors) {
    const [type, bytes] = storages[dtype];
    const key = String(entries.length);
    const storage = pickle.tuple(
      ...[pickle.text('storage'), pickle.global('torch', type), pickle.text(key), pickle.text('cpu')],
      pickle.int(data.length / bytes),
    );
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    states.push(
      pickle.text(name),
      pickle.global('torch._utils', '_rebuild_tensor_v2'),
      pickle.tuple(
        ...[storage, Buffer.from('Q'), pickle.int(0)], // BINPERSID: the storage of that persistent id
        ...[
          pickle.tuple(...shape.map(pickle.int)),
          pickle.tuple(...strides.map(pickle.int)),
          Buffer.from('\x89', 'latin1'),
        ],
        ...[pickle.global('collections', 'OrderedDict'), Buffer.from(')R')],
      ),
      Buffer.from('R'),
    );
    entries.push([`archive/data/${key}`, data]);
  }
  const dict = (...items: Buffer[]) => Buffer.concat([Buffer.from('}('), ...items, Buffer.from('u')]);
  const whole = dict(pickle.text('state_dict'), dict(...states));
  const program = Buffer.concat([Buffer.from('\x80\x02', 'latin1'), whole, Buffer.from('.')]);
  writeFileSync(file, zip([['archive/data.pkl', program], ['archive/byteorder', Buffer.from('little')], ...entries]));
  return file;
}

/** An archive of stored entries. Its checksums are left at 0: PyTorch's reader is what looks at them, ours does not. */
function zip(entries: readonly [name: string, data: Buffer][]): Buffer {
  const [files, directory]: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  for (const [name, data] of entries) {
    const path = Buffer.from(name);
    const header = Buffer.alloc(30);
    header.write('PK\x03\x04', 'latin1');
    header.writeUInt32LE(data.length, 18);
    header.writeUInt32LE(data.length, 22);
    header.writeUInt16LE(path.length, 26);
    const entry = Buffer.alloc(46);
    entry.write('PK\x01\x02', 'latin1');
    header.copy(entry, 6, 4, 28);
    entry.writeUInt32LE(at, 42);
    files.push(header, path, data);
    directory.push(entry, path);
    at += header.length + path.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...files, ...directory, end]);
}
