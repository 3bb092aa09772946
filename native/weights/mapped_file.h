// A file's bytes, mapped read-only into memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace nd::weights {

// A path from JavaScript (UTF-8) as the platform wants it.
std::filesystem::path native_path(const std::string& utf8);

class MappedFile {
  public:
    // `path` is UTF-8. Throws FILE_NOT_FOUND with the path and the system's reason; FILE_INVALID where it is empty.
    explicit MappedFile(const std::string& path);
    // A file whose bytes stand in memory already and outlive this object; `name` is what messages call it.
    MappedFile(std::string name, std::span<const std::byte> bytes);
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    const std::string& path() const { return path_; }
    std::span<const std::byte> bytes() const { return {data_, size_}; }

    // Throws FILE_INVALID where bytes that were read are not the file's: it was cut short meanwhile, or its disk
    // failed.
    void check_whole() const;

    // Tells the kernel that the pages are not needed for now: it drops them and reads them again when they are touched.
    void release() const;

  private:
    void unmap() noexcept;

    std::string path_;
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
    bool mapped_ = false;  // false: somebody else's memory
    int guard_ = -1;       // of the mapping: see mapping_guard.h
};

}  // namespace nd::weights
