// What the machine allows, measured: the limits that benches and `heed devices` compare with.
#pragma once

namespace heed {

// What `measure_peak` measures.
enum PeakKind : int { peak_f32 = 0, peak_bf16 = 1, peak_read = 2 };

// Best of several runs on `threads` threads, about 0.1 s: fp32 multiply-add FLOP/s, bf16 dot-product FLOP/s (0: the
// processor has none), or bytes read from memory per second. An unknown kind gives 0.
double measure_peak(int kind, int threads);

}  // namespace heed
