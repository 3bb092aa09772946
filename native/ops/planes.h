// f32 planes [batch, channels, pixels], as callers have them, and channels-last maps.
#pragma once

#include "native/ops/ops.h"

namespace nd::ops {

inline void planes_to_map(const Map& extents, const float* planes, float* map) {
    const int64_t pixels = extents.pixels(), channels = extents.channels;
    for (int64_t b = 0; b < extents.batch; b++) {
        for (int64_t c = 0; c < channels; c++) {
            for (int64_t p = 0; p < pixels; p++)
                map[(b * pixels + p) * channels + c] = planes[(b * channels + c) * pixels + p];
        }
    }
}

inline void map_to_planes(const Map& extents, const float* map, float* planes) {
    const int64_t pixels = extents.pixels(), channels = extents.channels;
    for (int64_t b = 0; b < extents.batch; b++) {
        for (int64_t c = 0; c < channels; c++) {
            for (int64_t p = 0; p < pixels; p++)
                planes[(b * channels + c) * pixels + p] = map[(b * pixels + p) * channels + c];
        }
    }
}

}  // namespace nd::ops
