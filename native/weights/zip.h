// Finds the entries of a zip archive whose bytes lie in it as they are, which is how PyTorch writes its files.
//
// Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <map>
#include <span>
#include <string>

#include "native/weights/mapped_file.h"

namespace nd::weights {

using ZipEntries = std::map<std::string, std::span<const std::byte>, std::less<>>;

bool looks_like_zip(const MappedFile& file);

// Names and bytes; those point into `file`. The archive must be plain: nothing before or behind it, no comment, no two
// entries of one name or sharing bytes, no name that leads out of the archive, all told the same in both places that
// describe an entry. Throws FILE_INVALID, or UNSUPPORTED_TYPE where an entry is compressed or encrypted.
ZipEntries read_zip(const MappedFile& file);

}  // namespace nd::weights
