#include "native/engine/worker.h"

#include <future>
#include <vector>

#include "native/test/tap.h"

using namespace nd::engine;
using nd::backend::CancelToken;

TEST("worker: jobs run in order on one thread of their own") {
    Worker worker;
    std::vector<int> order;
    std::vector<std::thread::id> threads;
    std::promise<void> done;
    for (int i = 0; i < 100; i++) {
        worker.post({[&, i] {
                         order.push_back(i);
                         threads.push_back(std::this_thread::get_id());
                         if (i == 99) done.set_value();
                     },
                     nullptr});
    }
    done.get_future().wait();
    for (int i = 0; i < 100; i++)
        CHECK(order[static_cast<size_t>(i)] == i && threads[static_cast<size_t>(i)] == threads[0]);
    CHECK(threads[0] != std::this_thread::get_id());
}

TEST("worker: stop cancels what runs, what waits and what comes later, and each still reports") {
    Worker worker;
    std::promise<void> started;
    std::atomic<int> cancelled{0};
    const auto job = [&](std::promise<void>* start) {
        auto token = std::make_shared<CancelToken>();
        worker.post({[&, token, start] {
                         if (start) start->set_value();
                         while (!token->cancelled()) std::this_thread::yield();
                         cancelled++;
                     },
                     token});
    };
    job(&started);
    job(nullptr);
    started.get_future().wait();
    CHECK(!worker.stopped());
    worker.stop();
    job(nullptr);
    std::promise<void> last;
    worker.post({[&] { last.set_value(); }, nullptr});
    last.get_future().wait();
    CHECK(cancelled == 3 && worker.stopped());
}

TEST("worker: may be destroyed by its own job") {
    auto worker = std::make_shared<Worker>();
    std::promise<void> go, gone;
    auto wait = go.get_future().share();
    worker->post({[held = worker, wait, &gone]() mutable {
                      wait.wait();
                      held = nullptr;
                      gone.set_value();
                  },
                  nullptr});
    worker = nullptr;
    go.set_value();
    gone.get_future().wait();
    CHECK(true);
}
