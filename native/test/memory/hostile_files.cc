// Holds readers of files to memory in proportion to the file. What the fuzzers found too large for it is among the
// cases.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "native/error.h"
#include "native/test/memory/failing_allocator.h"
#include "native/test/tap.h"
#include "native/weights/pickle.h"
#include "native/weights/torch_file.h"

using nd::test::most_bytes;
using nd::test::start_counting;

namespace {

constexpr size_t kMostPerByte = 128, kMostAlways = size_t{1} << 16;

template <typename Read>
void check_memory(const std::string& name, const std::string& bytes, const Read& read) {
    start_counting();
    try {
        read(std::as_bytes(std::span<const char>(bytes)));
    } catch (const nd::Error&) {
        // Few of these are files; how much was allocated until that was known counts as well.
    }
    const size_t most = most_bytes();
    CHECK(most > 0 && most <= kMostAlways + kMostPerByte * bytes.size(), name, ": ", most, " bytes for ", bytes.size());
}

std::string repeated(const std::string& part, size_t size) {
    std::string bytes;
    while (bytes.size() < size) bytes += part;
    return bytes;
}

}  // namespace

TEST("memory: pickles of as many values, marks and memories as their bytes allow") {
    const struct {
        const char *name, *begin, *part;
    } cases[] = {
        {"values", "(", "\x88"},
        {"containers", "(", "]"},
        {"tuples of one", "N", "\x85"},
        {"tuples of two", "(", "(NNt"},
        {"calls", "N", "NR"},
        {"lists of one", "]", "]Na"},
        {"dictionaries of one", "]", "}NNs"},
        {"marks", "", "("},
        {"the same value", "(N", "2"},
        {"remembered values", "(", "\x88\x94"},
        {"one list", "]", "Na"},
        {"names", "(", "c\n\n"},
    };
    for (const auto& [name, begin, part] : cases) {
        // Large enough that 64 KiB do not matter, and just beyond a power of two: what doubles has most to spare there.
        const std::string bytes = std::string("\x80\x04") + begin + repeated(part, 1'100'000);
        check_memory(name, bytes, [](const auto& pickle) { nd::weights::Pickle(pickle, "pickle"); });
    }
}

TEST("memory: what the fuzzer of PyTorch's files found, a pickle of a value a byte") {
    const std::string path = ND_FIXTURES "/../../../native/fuzz/regressions/torch_file/pickle-of-a-value-a-byte";
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    CHECK(bytes.size() == 632, "read ", bytes.size(), " bytes of ", path);
    check_memory("pickle-of-a-value-a-byte", bytes,
                 [](const auto& torch) { nd::weights::read_torch(nd::weights::MappedFile("file", torch)); });
}
