# SPDX-License-Identifier: Apache-2.0
# Each file of kernels is compiled for its own instruction set; which one runs is decided at run time.
set(avx2 -O3 -mavx2 -mfma -mf16c)
set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # its own AVX-512 headers initialise variables with themselves
  list(APPEND avx512 -Wno-init-self)
endif()
set(amx ${avx512} -mamx-tile -mamx-bf16)
set(vnni ${avx512} -mavx512vnni)
foreach(file kernels_avx2 kernels_avx512 kernels_amx quantized_avx2 quantized_avx512 quantized_vnni)
  string(REGEX REPLACE ".*_" "" isa ${file})
  set(options ${${isa}})
  if(file MATCHES "quantized" AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # sums of integers in another order need more registers than there are
    list(APPEND options -fno-tree-reassoc)
  endif()
  set_source_files_properties(src/backend/cpu/${file}.cpp PROPERTIES COMPILE_OPTIONS "${options}" SKIP_PRECOMPILE_HEADERS ON)
endforeach()
