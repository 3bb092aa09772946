'use strict';
// Says what an addon for Linux asks of the system, and fails if that is more than the oldest system that Node 20 runs on has: glibc 2.28 and the
// libraries that Node itself needs. Reads the ELF file itself, so that it needs no binutils and takes any architecture.
//   node scripts/check-prebuild.cjs FILE.node [cuda | vulkan]    with the libraries of that device as well
const fs = require('node:fs');

const NEWEST_GLIBC = [2, 28];
// ld-linux: thread-local storage. All of these are needed by Node's own binary.
const LIBRARIES = /^(libc|libm|libpthread|libdl|libgcc_s|ld-linux-[a-z0-9-]+)\.so\.\d+$/;
const DEVICE_LIBRARIES = { cuda: /^lib(cudart|cublas|cublasLt)\.so\.\d+$/, vulkan: /^libvulkan\.so\.1$/ };
const STRTAB = 3;
const DYNAMIC = 6;
const VERNEED = 0x6ffffffe;
const DT_NEEDED = 1;

/** The names of the libraries and the versions of symbols that a 64-bit little-endian ELF file needs. */
function readNeeds(bytes) {
  if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error('expected a 64-bit little-endian ELF file');
  }
  const start = Number(bytes.readBigUInt64LE(0x28));
  const entry = bytes.readUInt16LE(0x3a);
  const sections = Array.from({ length: bytes.readUInt16LE(0x3c) }, (_, i) => {
    const at = start + i * entry;
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
    };
  });
  const name = ({ link }, offset) => {
    const table = sections[link];
    if (table?.type !== STRTAB) throw new Error('expected a table of names');
    const at = table.offset + offset;
    return bytes.toString('latin1', at, bytes.indexOf(0, at));
  };
  const libraries = [];
  const versions = [];
  for (const section of sections) {
    if (section.type === DYNAMIC) {
      for (let at = section.offset; at < section.offset + section.size; at += 16) {
        const value = Number(bytes.readBigUInt64LE(at + 8));
        if (bytes.readBigInt64LE(at) === BigInt(DT_NEEDED)) libraries.push(name(section, value));
      }
    }
    if (section.type === VERNEED) {
      // Verneed: version, count, file, first (from here), next; Vernaux: hash, flags, other, name, next.
      for (let need = section.offset; ; need += bytes.readUInt32LE(need + 12)) {
        let version = need + bytes.readUInt32LE(need + 8);
        for (let left = bytes.readUInt16LE(need + 2); left > 0; left--) {
          versions.push(name(section, bytes.readUInt32LE(version + 8)));
          version += bytes.readUInt32LE(version + 12);
        }
        if (bytes.readUInt32LE(need + 12) === 0) break;
      }
    }
  }
  return { libraries, versions: [...new Set(versions)] };
}

/** What of a file's needs an old system lacks. */
function findExcess({ libraries, versions }, device) {
  const isThere = (library) => LIBRARIES.test(library) || DEVICE_LIBRARIES[device]?.test(library);
  const tooNew = versions.filter((version) => {
    const [, major, minor] = /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? [];
    if (major === undefined) return !version.startsWith('GCC_');
    return Number(major) > NEWEST_GLIBC[0] || Number(minor) > NEWEST_GLIBC[1];
  });
  return [...libraries.filter((library) => !isThere(library)), ...tooNew];
}

function main([file, device]) {
  const needs = readNeeds(fs.readFileSync(file));
  const excess = findExcess(needs, device);
  console.log(`needs ${needs.libraries.join(', ')}; symbols of ${needs.versions.join(', ')}`);
  if (excess.length > 0) {
    console.error(
      `check-prebuild: more than glibc ${NEWEST_GLIBC.join('.')} and Node's own libraries: ${excess.join(', ')}`,
    );
    process.exit(1);
  }
}

if (require.main === module) main(process.argv.slice(2));
else module.exports = { readNeeds, findExcess };
