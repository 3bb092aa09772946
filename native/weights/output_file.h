// A file that appears under its name when it is whole: until then it is written beside it, and goes again if it fails.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace nd::weights {

class OutputFile {
  public:
    // `path` is UTF-8. Throws FILE_NOT_WRITABLE with the path and the system's reason, as all methods do.
    explicit OutputFile(const std::string& path);
    // Removes what was written, unless commit() came to its end.
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(std::span<const std::byte> bytes);
    // Forces all of it to the disk and puts it in place of what the path holds.
    void commit();

  private:
    [[noreturn]] void failed(int code) const;
    void close() noexcept;

    std::string path_;
    std::filesystem::path target_, unfinished_;
#ifdef _WIN32
    void* file_ = nullptr;
#else
    int file_ = -1;
#endif
    bool committed_ = false;
};

}  // namespace nd::weights
