// Finds the entries of a zip archive whose bytes lie in it as they are, which is how PyTorch writes its files.
#include "native/weights/zip.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "native/error.h"
#include "native/weights/byte_cursor.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20, kCentralBytes = 46, kLocalBytes = 30;
constexpr uint32_t kFull32 = 0xffffffff;  // the number stands in the ZIP64 part instead
constexpr uint16_t kFull16 = 0xffff, kZip64Field = 1, kEncrypted = 1;

struct Directory {
    uint64_t begin = 0, size = 0, entries = 0;
};

struct Entry {
    std::string name;
    uint64_t local = 0, size = 0;  // where its local header begins; bytes
    uint64_t data_begin = 0;
    uint64_t end() const { return data_begin + size; }
};

class Reader {
  public:
    explicit Reader(const MappedFile& file) : bytes_(file.bytes()), what_(file.path() + ": zip archive") {}

    ZipEntries read() {
        const Directory directory = find_directory();
        std::vector<Entry> entries = read_directory(directory);
        for (Entry& entry : entries) read_local_header(entry, directory.begin);
        check_no_shared_bytes(entries);
        ZipEntries found;
        for (const Entry& entry : entries) {
            if (!found.emplace(entry.name, bytes_.subspan(entry.data_begin, entry.size)).second)
                invalid("two entries are named ", printable(entry.name));
        }
        return found;
    }

  private:
    template <typename... Parts>
    [[noreturn]] void invalid(Parts&&... parts) const {
        fail("FILE_INVALID", what_, ": ", std::forward<Parts>(parts)...);
    }

    // From `begin` on; throws where there are not `size` bytes.
    ByteCursor cursor(uint64_t begin, uint64_t size, const char* part) const {
        if (begin > bytes_.size() || size > bytes_.size() - begin)
            invalid("cut off: expected ", size, " bytes of ", part, " at byte ", begin, " of ", bytes_.size());
        return {bytes_.subspan(begin, size), what_};
    }

    Directory find_directory() const {
        if (bytes_.size() < kEndBytes) invalid("cut off: it has ", bytes_.size(), " bytes");
        const uint64_t end = bytes_.size() - kEndBytes;
        ByteCursor record = cursor(end, kEndBytes, "its end record");
        if (record.number<uint32_t>() != kEnd)
            invalid("cut off, or with bytes or a comment behind its end: no end record at byte ", end);
        const auto disk = record.number<uint16_t>(), first_disk = record.number<uint16_t>();
        const auto here = record.number<uint16_t>(), all = record.number<uint16_t>();
        const auto size = record.number<uint32_t>(), begin = record.number<uint32_t>();
        if (record.number<uint16_t>() != 0) invalid("its end record claims a comment, but the file ends");
        const bool split = (disk != 0 && disk != kFull16) || (first_disk != 0 && first_disk != kFull16) || here != all;
        if (split) invalid("split over several files");

        Directory directory{begin, size, all};
        uint64_t directory_end = end;
        if (has_locator(end)) {
            directory = read_zip64(end, directory_end);
            const bool agrees = (all == kFull16 || all == directory.entries) &&
                                (size == kFull32 || size == directory.size) &&
                                (begin == kFull32 || begin == directory.begin);
            if (!agrees) invalid("its two end records do not agree");
        }
        if (directory.begin > directory_end || directory.size != directory_end - directory.begin)
            invalid("its directory of ", directory.size, " bytes at byte ", directory.begin, " does not end at byte ",
                    directory_end, ", where its end record is");
        if (directory.entries > directory.size / kCentralBytes)
            invalid("claims ", directory.entries, " entries in a directory of ", directory.size, " bytes");
        return directory;
    }

    bool has_locator(uint64_t end) const {
        return end >= kLocator64Bytes + kEnd64Bytes &&
               cursor(end - kLocator64Bytes, kLocator64Bytes, "a locator").number<uint32_t>() == kLocator64;
    }

    // The record of 64-bit numbers, which must stand right before its locator.
    Directory read_zip64(uint64_t end, uint64_t& directory_end) const {
        const uint64_t locator_begin = end - kLocator64Bytes;
        ByteCursor locator = cursor(locator_begin, kLocator64Bytes, "a locator");
        locator.take(8);  // signature, disk
        directory_end = locator.number<uint64_t>();
        if (directory_end != locator_begin - kEnd64Bytes)
            invalid("its ZIP64 end record is not at byte ", locator_begin - kEnd64Bytes, ", but said to be at byte ",
                    directory_end);
        ByteCursor record = cursor(directory_end, kEnd64Bytes, "its ZIP64 end record");
        if (record.number<uint32_t>() != kEnd64) invalid("no ZIP64 end record at byte ", directory_end);
        if (record.number<uint64_t>() != kEnd64Bytes - 12) invalid("a ZIP64 end record of another size");
        record.take(12);  // versions, disks
        const auto here = record.number<uint64_t>(), all = record.number<uint64_t>();
        if (here != all) invalid("split over several files");
        const auto size = record.number<uint64_t>();
        return {record.number<uint64_t>(), size, all};
    }

    std::vector<Entry> read_directory(const Directory& directory) const {
        ByteCursor cursor(bytes_.subspan(directory.begin, directory.size), what_);
        std::vector<Entry> entries;
        for (uint64_t i = 0; i < directory.entries; ++i) entries.push_back(read_entry(cursor));
        if (cursor.remaining() != 0) invalid(cursor.remaining(), " bytes too many in its directory");
        return entries;
    }

    Entry read_entry(ByteCursor& cursor) const {
        if (cursor.number<uint32_t>() != kCentral) invalid("damaged: its directory holds something else than entries");
        cursor.take(4);  // versions
        const auto flags = cursor.number<uint16_t>(), method = cursor.number<uint16_t>();
        cursor.take(8);  // time, date, checksum
        uint64_t packed = cursor.number<uint32_t>();
        Entry entry;
        entry.size = cursor.number<uint32_t>();
        const auto name_bytes = cursor.number<uint16_t>(), extra_bytes = cursor.number<uint16_t>();
        const auto comment_bytes = cursor.number<uint16_t>();
        cursor.take(8);  // disk, attributes
        entry.local = cursor.number<uint32_t>();
        entry.name = std::string(cursor.text(name_bytes));
        read_zip64_field(cursor.take(extra_bytes), entry, packed);
        cursor.take(comment_bytes);
        check_name(entry.name);
        if (method != 0 || packed != entry.size || (flags & kEncrypted) != 0) {
            fail("UNSUPPORTED_TYPE", what_, ": the entry ", printable(entry.name),
                 " is compressed or encrypted: PyTorch stores its entries as they are");
        }
        return entry;
    }

    // Of the numbers that did not fit their 32 bits, the extra field has 64, in this order.
    void read_zip64_field(std::span<const std::byte> extra, Entry& entry, uint64_t& packed) const {
        const bool wanted = entry.size == kFull32 || packed == kFull32 || entry.local == kFull32;
        ByteCursor fields(extra, what_);
        while (wanted && fields.remaining() >= 4) {
            const auto id = fields.number<uint16_t>(), size = fields.number<uint16_t>();
            ByteCursor field(fields.take(size), what_);
            if (id != kZip64Field) continue;
            for (uint64_t* number : {&entry.size, &packed, &entry.local}) {
                if (*number == kFull32) *number = field.number<uint64_t>();
            }
            return;
        }
        if (wanted) invalid("the entry ", printable(entry.name), " lacks its 64-bit sizes");
    }

    // Nothing is ever unpacked to a disk; but no honest writer makes such names.
    void check_name(std::string_view name) const {
        bool out = name.empty() || name.front() == '/' || name.find('\\') != std::string_view::npos ||
                   name.find('\0') != std::string_view::npos;
        for (size_t begin = 0; begin <= name.size() && !out;) {
            const size_t end = std::min(name.find('/', begin), name.size());
            out = name.substr(begin, end - begin) == "..";
            begin = end + 1;
        }
        if (out) invalid("the name '", printable(name), "' leads out of the archive");
    }

    // Sizes stand in the directory only: PyTorch writes the local ones behind the data.
    void read_local_header(Entry& entry, uint64_t directory_begin) const {
        ByteCursor header = cursor(entry.local, kLocalBytes, "a local header");
        if (header.number<uint32_t>() != kLocal)
            invalid("no entry at byte ", entry.local, ", where ", printable(entry.name), " should be");
        header.take(22);
        const auto name_bytes = header.number<uint16_t>(), extra_bytes = header.number<uint16_t>();
        const uint64_t name_begin = entry.local + kLocalBytes;
        if (cursor(name_begin, name_bytes, "a name").text(name_bytes) != entry.name)
            invalid("the entry ", printable(entry.name), " has another name in its own place");
        entry.data_begin = name_begin + name_bytes + extra_bytes;
        if (entry.data_begin > directory_begin || entry.size > directory_begin - entry.data_begin)
            invalid("cut off: the entry ", printable(entry.name), " claims ", entry.size, " bytes at byte ",
                    entry.data_begin, ", but the directory begins at byte ", directory_begin);
    }

    void check_no_shared_bytes(const std::vector<Entry>& entries) const {
        std::vector<const Entry*> order;
        for (const Entry& entry : entries) order.push_back(&entry);
        std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->local < b->local; });
        for (size_t i = 1; i < order.size(); ++i) {
            if (order[i]->local < order[i - 1]->end())
                invalid("the entries ", printable(order[i - 1]->name), " and ", printable(order[i]->name),
                        " share bytes");
        }
    }

    std::span<const std::byte> bytes_;
    std::string what_;
};

}  // namespace

bool looks_like_zip(const MappedFile& file) {
    const auto bytes = file.bytes();
    return bytes.size() >= sizeof(kLocal) && std::memcmp(bytes.data(), &kLocal, sizeof(kLocal)) == 0;
}

ZipEntries read_zip(const MappedFile& file) {
    return Reader(file).read();
}

}  // namespace nd::weights
