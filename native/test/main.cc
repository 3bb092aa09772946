// Runs the native tests (all, or those whose name contains the argument) and prints TAP.
#include <cstdio>
#include <exception>

#include "native/test/tap.h"

int main(int argc, char** argv) {
    int number = 0, failed = 0;
    for (const auto& test : nd::test::tests()) {
        if (argc > 1 && test.name.find(argv[1]) == std::string::npos) continue;
        nd::test::failures().clear();
        try {
            test.body();
        } catch (const std::exception& error) {
            nd::test::failures().push_back(std::string("threw: ") + error.what());
        }
        const bool ok = nd::test::failures().empty();
        failed += !ok;
        std::printf("%sok %d - %s\n", ok ? "" : "not ", ++number, test.name.c_str());
        for (const auto& failure : nd::test::failures()) std::printf("  # %s\n", failure.c_str());
        std::fflush(stdout);
    }
    std::printf("1..%d\n", number);
    return failed != 0;
}
