#include "native/backend/thread_pool.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "native/test/tap.h"

using nd::backend::ThreadPool;

TEST("thread pool: every task of every job runs exactly once") {
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        for (int job = 0; job < 2000; job++) {
            std::atomic<int> next{0}, done{0};
            pool.run([&] {
                while (next.fetch_add(1) < 7) done.fetch_add(1);
            });
            CHECK(done == 7, done, " of 7 with ", threads, " threads");
        }
    }
}

TEST("thread pool: nobody is inside a job once run has returned") {
    ThreadPool pool(4);
    for (int job = 0; job < 500; job++) {
        std::atomic<int> inside{0};
        pool.run([&] {
            inside.fetch_add(1);
            std::this_thread::yield();
            inside.fetch_sub(1);
        });
        CHECK(inside == 0);
    }
}

TEST("thread pool: sleeping workers come back") {
    ThreadPool pool(2);
    for (int round = 0; round < 3; round++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // longer than the workers spin
        // Two halves that wait for each other: done only if a second thread comes.
        std::atomic<int> arrived{0};
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        pool.run([&] {
            if (arrived.fetch_add(1) > 1) return;
            while (arrived < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
        });
        CHECK(arrived >= 2, "only ", arrived);
    }
}
