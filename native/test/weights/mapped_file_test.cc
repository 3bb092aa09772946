// Mapping files: what is read, and what is said where there is nothing to read.
#include "native/weights/mapped_file.h"

#ifndef _WIN32
#include <csignal>
#endif

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

#ifndef _WIN32

TEST("mapped file: cut short by another program, it reads as zeros and says so") {
    const TemporaryFolder folder;
    const std::string path = folder.write("long", std::string(300'000, 'x'));
    const std::string other = folder.write("other", std::string(300'000, 'y'));
    struct sigaction before {
    }, after{};
    sigaction(SIGBUS, nullptr, &before);
    {
        const MappedFile file(path), whole(other);
        std::filesystem::resize_file(path, 100'000);
        CHECK(file.bytes()[50'000] == std::byte{'x'});
        file.check_whole();
        CHECK(file.bytes()[200'000] == std::byte{0} && file.bytes()[299'999] == std::byte{0});
        CHECK(contains(THROWN("FILE_INVALID", file.check_whole()), path));
        file.release();
        CHECK(file.bytes()[200'000] == std::byte{0} && file.bytes()[50'000] == std::byte{'x'});
        whole.check_whole();
        CHECK(whole.bytes()[299'999] == std::byte{'y'});
    }
    sigaction(SIGBUS, nullptr, &after);
    CHECK(before.sa_handler == after.sa_handler, "the handler goes with the last mapping");
    MappedFile(path).check_whole();
}

TEST("mapped file: faults that are not its own go to the handler that was there") {
    static volatile std::sig_atomic_t heard;
    heard = 0;
    struct sigaction mine {
    }, before{};
    mine.sa_handler = [](int) { heard = heard + 1; };
    sigaction(SIGBUS, &mine, &before);
    const TemporaryFolder folder;
    {
        const MappedFile file(folder.write("a", "x"));
        std::raise(SIGBUS);
    }
    CHECK(heard == 1);
    std::raise(SIGBUS);
    CHECK(heard == 2);
    sigaction(SIGBUS, &before, nullptr);
}

#endif
