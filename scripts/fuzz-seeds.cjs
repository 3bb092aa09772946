'use strict';
// Seeds for fuzzing the readers of model files: small files made of what the models in test/fixtures declare.
const fs = require('node:fs');
const path = require('node:path');

const fixtures = path.resolve(__dirname, '..', 'test', 'fixtures');
// Tensors that tell what a model is (native/models/).
const telling =
  /^(conv_first|conv_last|RRDB_trunk|body|conv_up|upconv|controlnet_|(de|en)coder\.layers\.|\d)|(conv_in|conv_out|input_blocks\.0\.0|out\.2|quant_conv|embedding|time_embed|encoder\.layers\.[01]\.(layer_norm1|mlp\.fc1)|resnets\.0\.conv1|resnets\.1\.conv1|to_k|to_q|norm1|in_layers\.2|in_proj)[._]?(weight)?/;

const types = { F32: 0, F16: 1, BF16: 30 }; // GGUF's numbers

function uint(value, bytes) {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer.subarray(0, bytes);
}

const text = (value) => Buffer.concat([uint(Buffer.byteLength(value), 8), Buffer.from(value)]);

// { name: { dtype, shape, data_offsets } } and __metadata__
function readHeader(file) {
  const bytes = fs.readFileSync(file);
  return JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
}

// The telling tensors, `most` of them, laid out anew; `shape` maps their shapes.
function reduce(header, most, shape = (s) => s) {
  const reduced = header.__metadata__ ? { __metadata__: header.__metadata__ } : {};
  let at = 0;
  for (const [name, tensor] of Object.entries(header)
    .filter(([name, { dtype }]) => dtype in types && telling.test(name))
    .slice(0, most)) {
    const kept = shape(tensor.shape);
    const size = kept.reduce((a, b) => a * b, 1) * (tensor.dtype === 'F32' ? 4 : 2);
    reduced[name] = { dtype: tensor.dtype, shape: kept, data_offsets: [at, at + size] };
    at += size;
  }
  return { header: reduced, dataBytes: at };
}

function safetensors({ header, dataBytes }) {
  const json = Buffer.from(JSON.stringify(header));
  return Buffer.concat([uint(json.length, 8), json, Buffer.alloc(dataBytes)]);
}

// The same as GGUF, all tensors f32 or f16, `dataBytes` of data behind them.
function gguf({ header }, dataBytes) {
  const values = Object.entries(header.__metadata__ ?? {}).map(([key, value]) => [text(key), uint(8, 4), text(value)]);
  values.push([text('general.alignment'), uint(4, 4), uint(32, 4)]);
  values.push([text('list'), uint(9, 4), uint(8, 4), uint(1, 8), text('word')]);
  let at = 0;
  const tensors = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, { dtype, shape }]) => {
      const size = shape.reduce((a, b) => a * b, 1) * (dtype === 'F32' ? 4 : 2);
      const ne = [...shape].reverse().map((n) => uint(n, 8));
      const described = [text(name), uint(shape.length, 4), ...ne, uint(types[dtype], 4), uint(at, 8)];
      at += Math.ceil(size / 32) * 32;
      return described;
    });
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    uint(3, 4),
    uint(tensors.length, 8),
    uint(values.length, 8),
    ...values.flat(),
    ...tensors.flat(),
  ]);
  return Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), Buffer.alloc(dataBytes ?? at)]);
}

/** Seeds by target, each a Buffer. */
exports.seeds = () => {
  const headers = ['networks', 'control', 'taesd', 'upscalers'].flatMap((topic) => {
    const folder = path.join(fixtures, topic);
    const isModel = (name) => name.endsWith('.safetensors') && !name.includes('.ref.');
    return fs
      .readdirSync(folder)
      .filter(isModel)
      .map((name) => readHeader(path.join(folder, name)));
  });
  const tiny = headers.map((header) => reduce(header, 4, (shape) => shape.map((n) => Math.min(n, 2))));
  const whole = headers.map((header) => reduce(header, 1000));
  return {
    safetensors: tiny.map(safetensors),
    gguf: tiny.map((model) => gguf(model)),
    model_file: whole.flatMap((model) => [Buffer.from(JSON.stringify(model.header)), gguf(model, 0)]),
  };
};

/** What mutations are made with, beside bytes. */
exports.words = [
  ...[
    '"dtype":',
    '"shape":[',
    '"data_offsets":[',
    '"__metadata__":{',
    '"node-diffusion.config":',
    '"unet":{',
    '"F8_E4M3"',
  ],
  ...[
    '0',
    '1',
    '-1',
    '1e309',
    '2147483648',
    '4294967296',
    '9007199254740993',
    '9223372036854775807',
    '18446744073709551615',
  ],
  ...['[[[[[[[[', '{"a":{"a":', '],[', '},"', '\\u0000', '\\ud800', 'null', 'true'],
  ...['general.alignment', '\xff\xff\xff\xff\xff\xff\xff\x7f', '\x00\x00\x00\x00\x00\x00\x00\x80'],
  ...['.resnets.0.conv1.weight', 'down_blocks.9', 'input_blocks.', 'attn2.to_k.weight', 'attn.in_proj_weight'],
];
