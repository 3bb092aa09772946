#include "native/addon/peaks.h"

#include "native/addon/addon_data.h"
#include "native/addon/arguments.h"
#include "native/addon/promise_job.h"
#include "native/backend/thread_pool.h"
#include "native/error.h"
#include "native/kernels/peak/peak.h"

namespace nd::addon {

namespace {

// Operations a second.
struct Peaks {
    double f32 = 0, bf16 = 0, int8 = 0;
};

Peaks measured(int threads, double seconds, const backend::CancelToken& stop) {
    backend::ThreadPool pool(threads);
    const auto rate = [&](kernels::Packing packing) {
        return kernels::peak_rate(
            packing, threads, seconds, [&](const auto& job) { pool.run(job); }, [&] { return stop.cancelled(); });
    };
    const Peaks peaks{rate(kernels::Packing::rows), rate(kernels::Packing::bf16), rate(kernels::Packing::i8)};
    if (stop.cancelled()) fail("ABORTED", "the measurement was cancelled");
    return peaks;
}

}  // namespace

Napi::Value measure_peaks(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int64_t threads = integer(info[0], "threads");
    if (threads < 1 || threads > 512) throw make_error(env, "INVALID_ARGUMENT", "threads: expected 1 to 512");
    const double seconds = number(info[1], "seconds");
    if (!(seconds >= 0 && seconds <= 2)) throw make_error(env, "INVALID_ARGUMENT", "seconds: expected 0 to 2");
    auto stop = token(info[2]);
    return run_job<Peaks>(
        env, AddonData::of(env).link->create_worker(), stop,
        [threads = static_cast<int>(threads), seconds, stop] { return measured(threads, seconds, *stop); },
        [](Napi::Env env, Peaks& peaks) -> Napi::Value {
            auto object = Napi::Object::New(env);
            object["f32"] = peaks.f32;
            object["bf16"] = peaks.bf16;
            object["int8"] = peaks.int8;
            return object;
        });
}

}  // namespace nd::addon
