# The native device: one static library per instruction tier with that tier's flags, and the addon that picks one at run time.
# The tiers are linked from the oldest instruction set to the newest: where two hold the same inline function of the standard
# library, the linker keeps the first, which every machine of the later tier can run too.
{
  "target_defaults": {
    "include_dirs": ["src/kernels"],
    "cflags!": ["-g"],
    "cflags_cc!": ["-g", "-std=gnu++14", "-std=gnu++17", "-std=gnu++20", "-fno-omit-frame-pointer"],
    "cflags_cc": ["-std=c++20", "-O2", "-fwrapv", "-fno-math-errno", "-fno-trapping-math", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "CLANG_CXX_LIBRARY": "libc++",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "GCC_OPTIMIZATION_LEVEL": "2",
      "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
      "GCC_ENABLE_CPP_RTTI": "NO",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "OTHER_CPLUSPLUSFLAGS": ["-fwrapv", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
    }
  },
  "targets": [
    {
      "target_name": "heed",
      "sources": ["src/kernels/addon.cpp", "src/kernels/run.cpp", "src/kernels/threads.cpp", "src/kernels/memory.cpp", "src/kernels/peak.cpp"],
      "conditions": [
        ["target_arch=='x64'", { "dependencies": ["heed_baseline", "heed_avx2", "heed_avx512"] }],
        ["target_arch=='arm64'", { "dependencies": ["heed_neon"] }],
        ["target_arch!='x64' and target_arch!='arm64'", { "dependencies": ["heed_baseline"] }]
      ]
    }
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "heed_baseline",
          "type": "static_library",
          "sources": ["src/kernels/tier.cpp"],
          "defines": ["HEED_TIER=baseline"],
          "cflags_cc": ["-O1"]
        },
        {
          "target_name": "heed_avx2",
          "type": "static_library",
          "sources": ["src/kernels/tier.cpp"],
          "defines": ["HEED_TIER=avx2"],
          "cflags_cc": ["-mavx2", "-mfma", "-mf16c"],
          "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["-mavx2", "-mfma", "-mf16c"] }
        },
        {
          "target_name": "heed_avx512",
          "type": "static_library",
          "sources": ["src/kernels/tier.cpp"],
          "defines": ["HEED_TIER=avx512"],
          "variables": { "flags": ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mavx512bf16", "-mprefer-vector-width=512"] },
          "cflags_cc": ["<@(flags)"],
          "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["<@(flags)"] }
        }
      ]
    }],
    ["target_arch=='arm64'", {
      "targets": [
        { "target_name": "heed_neon", "type": "static_library", "sources": ["src/kernels/tier.cpp"], "defines": ["HEED_TIER=neon"] }
      ]
    }],
    ["target_arch!='x64' and target_arch!='arm64'", {
      "targets": [
        { "target_name": "heed_baseline", "type": "static_library", "sources": ["src/kernels/tier.cpp"], "defines": ["HEED_TIER=baseline"] }
      ]
    }]
  ]
}
