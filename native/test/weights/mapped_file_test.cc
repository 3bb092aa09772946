// Mapping files: what is read, and what is said where there is nothing to read.
#include "native/weights/mapped_file.h"

#include "native/test/weights/model_files.h"

using namespace nd::test;
using nd::weights::MappedFile;

TEST("mapped file: bytes, moves and released pages") {
    const TemporaryFolder folder;
    MappedFile first(folder.write("a", "hello"));
    CHECK(first.bytes().size() == 5 && first.bytes()[4] == std::byte{'o'});
    MappedFile second(std::move(first));
    CHECK(first.bytes().empty());
    MappedFile third(folder.write("b", "x"));
    third = std::move(second);
    third.release();
    CHECK(third.bytes().size() == 5 && third.bytes()[0] == std::byte{'h'}, "pages come back after release");
}

TEST("mapped file: a name that is not ASCII") {
    const TemporaryFolder folder;
    const std::string name = "mod\xc3\xa8le.bin";
    std::ofstream(nd::weights::native_path(folder.path() + "/" + name), std::ios::binary) << "12";
    CHECK(MappedFile(folder.path() + "/" + name).bytes().size() == 2);
}

TEST("mapped file: what cannot be mapped says why") {
    const TemporaryFolder folder;
    const std::string missing = folder.path("missing");
    CHECK(contains(THROWN("FILE_NOT_FOUND", MappedFile(missing)), missing));
    CHECK(contains(THROWN("FILE_NOT_FOUND", MappedFile(folder.path())), "directory"));
    CHECK(contains(THROWN("FILE_INVALID", MappedFile(folder.write("empty", ""))), "empty"));
    CHECK(contains(THROWN("FILE_NOT_FOUND", MappedFile("")), "empty string"));
    const std::string with_nul = folder.write("a", "x") + std::string("\0b", 2);
    CHECK(contains(THROWN("FILE_NOT_FOUND", MappedFile(with_nul)), "NUL"));
#ifndef _WIN32
    CHECK(contains(THROWN("FILE_NOT_FOUND", MappedFile("/dev/null")), "regular file"));
#endif
}
