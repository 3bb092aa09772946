// Time that stages take.
#pragma once

#include <chrono>

namespace nd::engine {

// Adds the seconds of its lifetime to a sum.
class Stopwatch {
  public:
    explicit Stopwatch(double& sum) : sum_(sum), start_(std::chrono::steady_clock::now()) {}
    ~Stopwatch() { sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

  private:
    double& sum_;
    std::chrono::steady_clock::time_point start_;
};

}  // namespace nd::engine
