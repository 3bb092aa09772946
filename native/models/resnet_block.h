// The residual block that UNet and VAE share: norm, SiLU, convolution, twice, with the timestep added in between.
#pragma once

#include <string>

#include "native/models/layers.h"

namespace nd::models {

// silu of what a UNet's residual blocks are told beside their map: the timestep, [1, 1, 1, time_width], or [rows, 1, 1,
// time_width] where that differs by row of the conditioning. Which of the two is the architecture's, not the number of
// rows': no row's bytes may depend on others.
struct TimeEmbedding {
    ops::Map map;
    bool by_row = false;
};

struct ResnetBlock {
    ops::Norm norm1, norm2;
    ops::Conv conv1, conv2;
    ops::Conv shortcut;  // weight null where the widths agree
    ops::Linear time;    // weight null in a VAE

    static ResnetBlock declare(weights::WeightStore& store, const std::string& name, int64_t in, int64_t out,
                               int64_t time_width, int64_t groups, float eps) {
        ResnetBlock block;
        block.norm1 = norm(store, name + ".norm1", in, eps, groups);
        block.conv1 = conv(store, name + ".conv1", in, out);
        block.norm2 = norm(store, name + ".norm2", out, eps, groups);
        block.conv2 = conv(store, name + ".conv2", out, out);
        if (in != out) block.shortcut = conv(store, name + ".conv_shortcut", in, out, 1);
        if (time_width > 0) block.time = linear(store, name + ".time_emb_proj", time_width, out);
        return block;
    }

    // `time_embedding` is null in a VAE.
    ops::Map forward(ops::Ops& ops, const ops::Map& x, const TimeEmbedding* time_embedding) const {
        const ops::Map skip = shortcut.weight ? ops.conv2d(x, shortcut) : x;
        // In a UNet the way up may still want x.
        ops::Map h = ops.group_norm(x, norm1, true, shortcut.weight && !time_embedding);
        if (time_embedding && time_embedding->by_row) {
            h = ops.add_rows(ops.conv2d(h, conv1), ops.linear(time_embedding->map, time), true);
        } else if (time_embedding) {
            // All pictures of a batch stand at one timestep, so its projection joins the convolution's bias.
            const ops::Map conv_bias{conv1.bias, 1, 1, 1, conv1.out};
            const ops::Map bias = ops.linear(time_embedding->map, time, &conv_bias);
            h = ops.conv2d(h, conv1, {}, nullptr, &bias);
        } else {
            h = ops.conv2d(h, conv1);
        }
        h = ops.group_norm(h, norm2, true, true);
        return ops.conv2d(h, conv2, {}, &skip);
    }
};

}  // namespace nd::models
