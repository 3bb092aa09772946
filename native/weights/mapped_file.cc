// A file's bytes, mapped read-only into memory.
#include "native/weights/mapped_file.h"

#include <system_error>
#include <utility>

#include "native/error.h"
#include "native/weights/mapping_guard.h"
#include "native/weights/system_reason.h"

#ifdef _WIN32
#include "native/weights/windows.h"
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace nd::weights {

namespace {

[[noreturn]] void cannot_open(const std::string& path, int code) {
    fail("FILE_NOT_FOUND", path, ": cannot be read: ", system_reason(code));
}

// The system call would read a path only as far as its first NUL.
void check_path(const std::string& path) {
    if (path.empty()) fail("FILE_NOT_FOUND", "expected the path of a file, got an empty string");
    if (path.find('\0') != std::string::npos)
        fail("FILE_NOT_FOUND", path.c_str(), ": the path contains a NUL character");
}

}  // namespace

std::filesystem::path native_path(const std::string& utf8) {
    return std::filesystem::path(std::u8string(utf8.begin(), utf8.end()));
}

#ifdef _WIN32

namespace {

struct Handle {
    HANDLE value;
    ~Handle() {
        if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
    }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
    check_path(path);
    std::filesystem::path native;
    try {
        native = native_path(path);
    } catch (const std::exception&) {
        fail("FILE_NOT_FOUND", "the path is not valid UTF-8");
    }
    std::error_code ignored;
    if (std::filesystem::is_directory(native, ignored))
        fail("FILE_NOT_FOUND", path, ": expected a file, got a directory");
    const Handle file{CreateFileW(native.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                  FILE_ATTRIBUTE_NORMAL, nullptr)};
    if (file.value == INVALID_HANDLE_VALUE) cannot_open(path, static_cast<int>(GetLastError()));
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file.value, &size)) cannot_open(path, static_cast<int>(GetLastError()));
    if (size.QuadPart == 0) fail("FILE_INVALID", path, ": the file is empty");
    const Handle mapping{CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr)};
    if (mapping.value == nullptr) cannot_open(path, static_cast<int>(GetLastError()));
    const void* data = MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0);
    if (data == nullptr) cannot_open(path, static_cast<int>(GetLastError()));
    data_ = static_cast<const std::byte*>(data);
    size_ = static_cast<size_t>(size.QuadPart);
    mapped_ = true;
}

void MappedFile::unmap() noexcept {
    if (mapped_) UnmapViewOfFile(data_);
}

void MappedFile::release() const {
    // Unlocking pages that are not locked takes them out of the working set; that it then reports an error is expected.
    if (mapped_) VirtualUnlock(const_cast<std::byte*>(data_), size_);
}

#else

namespace {

struct Descriptor {
    int value;
    ~Descriptor() {
        if (value >= 0) ::close(value);
    }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
    check_path(path);
    // O_NONBLOCK: opening a named pipe would otherwise wait for a writer.
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (file.value < 0) cannot_open(path, errno);
    struct stat status {};
    if (::fstat(file.value, &status) != 0) cannot_open(path, errno);
    if (S_ISDIR(status.st_mode)) fail("FILE_NOT_FOUND", path, ": expected a file, got a directory");
    if (!S_ISREG(status.st_mode)) fail("FILE_NOT_FOUND", path, ": expected a regular file, got a device or pipe");
    if (status.st_size == 0) fail("FILE_INVALID", path, ": the file is empty");
    const size_t size = static_cast<size_t>(status.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
    if (data == MAP_FAILED) cannot_open(path, errno);
    data_ = static_cast<const std::byte*>(data);
    size_ = size;
    mapped_ = true;
    guard_ = guard_mapping(data, size);
}

void MappedFile::unmap() noexcept {
    if (!mapped_) return;
    unguard_mapping(guard_);
    ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release() const {
    if (mapped_) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

#endif

MappedFile::MappedFile(std::string name, std::span<const std::byte> bytes)
    : path_(std::move(name)), data_(bytes.data()), size_(bytes.size()) {
    if (size_ == 0) fail("FILE_INVALID", path_, ": the file is empty");
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, false)),
      guard_(std::exchange(other.guard_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    if (this != &other) {
        unmap();
        path_ = std::move(other.path_);
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
        mapped_ = std::exchange(other.mapped_, false);
        guard_ = std::exchange(other.guard_, -1);
    }
    return *this;
}

MappedFile::~MappedFile() {
    unmap();
}

void MappedFile::check_whole() const {
    if (lost_pages(guard_))
        fail("FILE_INVALID", path_, ": the file was cut short, or its disk failed, while it was read");
}

}  // namespace nd::weights
