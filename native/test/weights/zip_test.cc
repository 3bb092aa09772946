// Reading zip archives: good ones, and every trick that two readers of one archive could see differently.
#include "native/weights/zip.h"

#include "native/test/weights/torch_files.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

ZipWriter small() {
    return ZipWriter().add("m/data.pkl", "pickle").add("m/data/0", "zero").add("m/data/1", "");
}

std::string refused(const std::string& bytes, const char* code = "FILE_INVALID") {
    const TemporaryFolder folder;
    const MappedFile file(folder.write("bad.zip", bytes));
    return THROWN(code, read_zip(file));
}

std::string with(std::string bytes, size_t at, const std::string& other) {
    return bytes.replace(at, other.size(), other);
}

std::string text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST("zip: names and bytes, with numbers of 32 and of 64 bits") {
    const TemporaryFolder folder;
    for (const bool zip64 : {false, true}) {
        ZipWriter writer = small();
        writer.zip64 = zip64;
        const MappedFile file(folder.write("good", writer.file()));
        CHECK(looks_like_zip(file));
        const ZipEntries entries = read_zip(file);
        CHECK(entries.size() == 3 && text(entries.at("m/data.pkl")) == "pickle" &&
              text(entries.at("m/data/0")) == "zero" && entries.at("m/data/1").empty());
    }
    CHECK(read_zip(MappedFile(folder.write("none", ZipWriter().file()))).empty());
}

TEST("zip: an archive cut off anywhere is refused") {
    for (const bool zip64 : {false, true}) {
        ZipWriter writer = small();
        writer.zip64 = zip64;
        const std::string whole = writer.file();
        for (size_t length = 1; length < whole.size(); ++length) refused(whole.substr(0, length));
    }
}

TEST("zip: bytes before, behind and within, where another reader could find another archive") {
    const std::string whole = small().file();
    refused("before" + whole);
    refused(whole + "behind");
    refused(whole + whole);
    ZipWriter commented = small();
    commented.comment = "a comment";
    CHECK(contains(refused(commented.file()), "comment"));
    commented.comment = ZipWriter().file();  // an end record of its own
    refused(commented.file());
    ZipWriter wide = small();
    wide.zip64 = true;
    const std::string wide_file = wide.file();
    const size_t end = wide_file.size() - 22, record = end - 20 - 56;
    CHECK(contains(refused(with(wide_file, end + 10, raw(uint16_t{1}))), "split"));
    CHECK(contains(refused(with(wide_file, end + 8, raw(uint16_t{1}) + raw(uint16_t{1}))), "agree"));
    CHECK(contains(refused(with(wide_file, end - 12, raw(uint64_t{0}))), "ZIP64"));
    CHECK(contains(refused(with(wide_file, end - 12, raw(UINT64_MAX))), "ZIP64"));
    CHECK(contains(refused(with(wide_file, record + 32, raw(UINT64_MAX))), "split"));
    CHECK(contains(refused(with(wide_file, record + 24, raw(UINT64_MAX) + raw(UINT64_MAX))), "entries"));
    CHECK(contains(refused(with(wide_file, record + 48, raw(UINT64_MAX))), "directory"));
}

TEST("zip: counts and places that lie") {
    const std::string whole = small().file();
    const size_t end = whole.size() - 22, first = whole.find("PK\x01\x02");
    CHECK(contains(refused(with(whole, end + 8, raw(uint16_t{900}) + raw(uint16_t{900}))), "900 entries"));
    refused(with(whole, end + 8, raw(uint16_t{2}) + raw(uint16_t{2})));
    refused(with(whole, end + 8, raw(uint16_t{4}) + raw(uint16_t{4})));
    refused(with(whole, end + 12, raw(uint32_t{0x7fffffff})));
    refused(with(whole, end + 16, raw(uint32_t{0})));
    refused(with(whole, end + 4, raw(uint16_t{1})));
    CHECK(contains(refused(with(whole, first + 42, raw(uint32_t{0x7fffffff}))), "cut off"));
    CHECK(contains(refused(with(whole, first + 42, raw(uint32_t{3}))), "no entry at byte 3"));
    CHECK(contains(refused(with(whole, first + 20, raw(uint32_t{5000}) + raw(uint32_t{5000}))), "5000 bytes"));
    CHECK(contains(refused(with(whole, first + 20, raw(uint32_t{0xffffffff}) + raw(uint32_t{0xffffffff}))), "64-bit"));
    CHECK(contains(refused(with(whole, first + 46, "M")), "another name"));
}

TEST("zip: compressed and encrypted entries, and so all bombs") {
    for (const uint16_t method : {uint16_t{8}, uint16_t{9}, uint16_t{93}}) {
        ZipWriter writer = small();
        writer.entries[1].method = method;
        CHECK(contains(refused(writer.file(), "UNSUPPORTED_TYPE"), "m/data/0 is compressed"));
    }
    ZipWriter writer = small();
    writer.entries[0].flags = 1;
    refused(writer.file(), "UNSUPPORTED_TYPE");
    const std::string whole = small().file();
    const size_t first = whole.find("PK\x01\x02");  // stored, but said to become larger
    refused(with(whole, first + 24, raw(uint32_t{6000})), "UNSUPPORTED_TYPE");
}

TEST("zip: two entries over the same bytes") {
    ZipWriter writer = small();
    const std::string whole = writer.file();
    const size_t first = whole.find("PK\x01\x02"), second = whole.find("PK\x01\x02", first + 4);
    // The first entry's bytes reach over the whole second entry.
    CHECK(contains(refused(with(whole, first + 20, raw(uint32_t{40}) + raw(uint32_t{40}))), "share bytes"));
    writer.entries[1].name = "m/data.pkl";
    const std::string twice = writer.file();
    CHECK(contains(refused(twice), "two entries are named"));
    CHECK(contains(refused(with(twice, twice.find("PK\x01\x02", twice.find("PK\x01\x02") + 4) + 42, raw(uint32_t{0}))),
                   "share bytes"));
    CHECK(second > first);
}

TEST("zip: names that lead out of the archive") {
    for (const std::string name :
         {std::string("../data.pkl"), std::string("m/../../x"), std::string("/etc/passwd"), std::string("m\\..\\x"),
          std::string(".."), std::string("m/.."), std::string(""), std::string("m/\0x", 4)}) {
        CHECK(contains(refused(ZipWriter().add(name, "x").file()), "out of the archive"), name);
    }
    const TemporaryFolder folder;
    CHECK(read_zip(MappedFile(folder.write("dots", ZipWriter().add("..m/.data/x..", "x").file()))).size() == 1);
}
