# SPDX-License-Identifier: Apache-2.0
# Each file of kernels is compiled for its own instruction set; which one runs is decided at run time.
set(avx2 -O3 -mavx2 -mfma -mf16c)
set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # its own AVX-512 headers
  list(APPEND avx512 -Wno-maybe-uninitialized)
endif()
set(amx ${avx512} -mamx-tile -mamx-bf16)
foreach(isa avx2 avx512 amx)
  set_source_files_properties(src/backend/cpu/kernels_${isa}.cpp PROPERTIES COMPILE_OPTIONS "${${isa}}" SKIP_PRECOMPILE_HEADERS ON)
endforeach()
