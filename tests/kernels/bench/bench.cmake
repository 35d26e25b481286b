# kernels_bench: checks and times the kernels on a GPU (scripts/gpu_check.sh); on the emulated machine a test of itself and of the kernels.
set(bench_source ${CMAKE_SOURCE_DIR}/tests/kernels/bench/kernels_bench.cu)
add_executable(kernels_bench ${bench_source})
target_link_libraries(kernels_bench PRIVATE ember_kernels)
if(EMBER_CUDA_EMULATE)
  set_source_files_properties(${bench_source} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS -xc++)
  add_test(NAME kernels_bench COMMAND kernels_bench --tiny)
else()
  set_source_files_properties(${bench_source} PROPERTIES COMPILE_OPTIONS
    "--generate-code=arch=compute_80,code=sm_80;${hopper}")  # of cuda.cmake
  set_target_properties(kernels_bench PROPERTIES EXCLUDE_FROM_ALL ON)
  target_compile_options(kernels_bench PRIVATE --expt-relaxed-constexpr)
endif()
