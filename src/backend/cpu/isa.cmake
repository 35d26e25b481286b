# Each file of kernels is compiled for its own instruction set; which one runs is decided at run time.
set_source_files_properties(src/backend/cpu/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "-O3;-mavx2;-mfma;-mf16c")
set_source_files_properties(src/backend/cpu/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS
                            "-O3;-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl")
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # its own AVX-512 headers
  set_property(SOURCE src/backend/cpu/kernels_avx512.cpp APPEND PROPERTY COMPILE_OPTIONS -Wno-maybe-uninitialized)
endif()
