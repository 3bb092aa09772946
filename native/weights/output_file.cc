// A file that appears under its name when it is whole.
#include "native/weights/output_file.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <system_error>

#include "native/error.h"
#include "native/weights/mapped_file.h"
#include "native/weights/system_reason.h"

#ifdef _WIN32
#include "native/weights/windows.h"
#else
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace nd::weights {

namespace {

constexpr size_t kMostAtOnce = size_t{1} << 26;  // bytes a system call

// A short name of its own: the file's may be as long as names can be.
std::string unfinished_name() {
    std::random_device random;
    char name[32];
    std::snprintf(name, sizeof(name), ".%08x%08x.tmp", random(), random());
    return name;
}

}  // namespace

void OutputFile::failed(int code) const {
    fail("FILE_NOT_WRITABLE", path_, ": could not be written: ", system_reason(code));
}

#ifdef _WIN32

OutputFile::OutputFile(const std::string& path)
    : path_(path), target_(native_path(path)), unfinished_(target_.parent_path() / unfinished_name()) {
    const HANDLE file =
        CreateFileW(unfinished_.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) failed(static_cast<int>(GetLastError()));
    file_ = file;
}

void OutputFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        DWORD written = 0;
        const auto size = static_cast<DWORD>(std::min(bytes.size(), kMostAtOnce));
        if (!WriteFile(file_, bytes.data(), size, &written, nullptr)) failed(static_cast<int>(GetLastError()));
        bytes = bytes.subspan(written);
    }
}

void OutputFile::commit() {
    if (!FlushFileBuffers(file_)) failed(static_cast<int>(GetLastError()));
    close();
    if (!MoveFileExW(unfinished_.c_str(), target_.c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
        failed(static_cast<int>(GetLastError()));
    committed_ = true;
}

void OutputFile::close() noexcept {
    if (file_ != nullptr) CloseHandle(file_);
    file_ = nullptr;
}

#else

namespace {

int flush(int file) {
#ifdef F_FULLFSYNC
    // On macOS fsync stops at the drive's own cache. Not every file system knows the call that does not.
    if (::fcntl(file, F_FULLFSYNC) == 0) return 0;
#endif
    return ::fsync(file);
}

}  // namespace

OutputFile::OutputFile(const std::string& path)
    : path_(path), target_(native_path(path)), unfinished_(target_.parent_path() / unfinished_name()) {
    file_ = ::open(unfinished_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0) failed(errno);
}

void OutputFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_, bytes.data(), std::min(bytes.size(), kMostAtOnce));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) failed(errno);
        bytes = bytes.subspan(static_cast<size_t>(written));
    }
}

void OutputFile::commit() {
    if (flush(file_) != 0) failed(errno);
    close();
    if (::rename(unfinished_.c_str(), target_.c_str()) != 0) failed(errno);
    committed_ = true;
    // The new name is not safe from a power cut before its folder is written; where that cannot be had, it is not.
    const auto folder = target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
    const int handle = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC);
    if (handle < 0) return;
    ::fsync(handle);
    ::close(handle);
}

void OutputFile::close() noexcept {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
}

#endif

OutputFile::~OutputFile() {
    close();
    std::error_code ignored;
    if (!committed_) std::filesystem::remove(unfinished_, ignored);
}

}  // namespace nd::weights
