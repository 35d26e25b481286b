# SPDX-License-Identifier: Apache-2.0
# ember_kernels: everything in kernels/, compiled by nvcc for GPUs (EMBER_CUDA), or by the C++ compiler for the machine of
# tests/kernels/emulator (EMBER_CUDA_EMULATE), which also takes the place of the CUDA runtime.
file(GLOB_RECURSE kernel_sources CONFIGURE_DEPENDS kernels/*.cu)
set(CMAKE_CUDA_ARCHITECTURES OFF)  # each file has its own, below
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
add_library(ember_kernels STATIC ${kernel_sources})
set_target_properties(ember_kernels PROPERTIES CUDA_STANDARD 20)
target_include_directories(ember_kernels PUBLIC ${CMAKE_SOURCE_DIR} include)

if(EMBER_CUDA_EMULATE)
  # Only headers of the toolkit (vector types, 16-bit floats, tensor maps).
  find_path(EMBER_CUDA_INCLUDE cuda_fp16.h HINTS $ENV{CUDAToolkit_ROOT}/include ${CMAKE_SOURCE_DIR}/.cuda/toolkit/include
            /usr/local/cuda/include REQUIRED)
  file(GLOB emulator_sources CONFIGURE_DEPENDS tests/kernels/emulator/*.cpp tests/kernels/emulator/runtime/*.cpp)
  target_sources(ember_kernels PRIVATE ${emulator_sources})
  # The kernels' loads and stores call the machine (tests/kernels/emulator/hooks.cpp), which takes the sanitizer's place: it is not linked.
  set(emulator_hooks -fsanitize=thread --param=tsan-instrument-func-entry-exit=0 --param=tsan-distinguish-volatile=1)
  foreach(source ${kernel_sources})
    set(hooks ${emulator_hooks})
    if(source MATCHES "/bench/(.*_cases|predict.*)\\.cu$")  # the host's code only
      set(hooks)
    endif()
    # Warnings: "#pragma unroll" is nvcc's; g++ does not see that a loop's first trip fills what the others read.
    set_source_files_properties(${source} PROPERTIES LANGUAGE CXX
                                COMPILE_OPTIONS "-xc++;-O2;${hooks};-Wno-unknown-pragmas;-Wno-maybe-uninitialized;-Wno-uninitialized;-Wno-psabi")
  endforeach()
  target_compile_definitions(ember_kernels PUBLIC EMBER_EMULATE)
  target_include_directories(ember_kernels PUBLIC tests/kernels/emulator tests/kernels/emulator/runtime)
  target_include_directories(ember_kernels SYSTEM PUBLIC ${EMBER_CUDA_INCLUDE})
  # The emulated runtime comes first: the toolkit's headers would include the toolkit's own, beside them.
  target_compile_options(ember_kernels PRIVATE "SHELL:-include ${CMAKE_SOURCE_DIR}/tests/kernels/emulator/runtime/cuda_runtime_api.h")
  # The toolkit's headers name members in anonymous structs; "#pragma unroll" as above.
  target_compile_options(ember_kernels PUBLIC -Wno-pedantic -Wno-unknown-pragmas)
  target_link_libraries(ember_kernels PUBLIC Threads::Threads)
  # A library of cuBLASLt's name, for the program to find. The version is that of the toolkit's headers.
  file(STRINGS ${EMBER_CUDA_INCLUDE}/cublas_api.h cublas_version REGEX "define CUBLAS_VER_MAJOR")
  string(REGEX MATCH "[0-9]+" cublas_version "${cublas_version}")
  set(cuda_library_dir ${CMAKE_BINARY_DIR}/emulated_cublas)
  add_library(emulated_cublas SHARED tests/backend/cuda/emulated_cublas/cublas_lt.cpp)
  set_target_properties(emulated_cublas PROPERTIES OUTPUT_NAME cublasLt SOVERSION ${cublas_version} LIBRARY_OUTPUT_DIRECTORY ${cuda_library_dir})
  target_include_directories(emulated_cublas PRIVATE include tests/kernels/emulator/runtime)
  target_include_directories(emulated_cublas SYSTEM PRIVATE ${EMBER_CUDA_INCLUDE})
  target_compile_options(emulated_cublas PRIVATE "SHELL:-include ${CMAKE_SOURCE_DIR}/tests/kernels/emulator/runtime/cuda_runtime_api.h")
else()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake before 3.26 does not know that nvcc has it
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  find_package(CUDAToolkit 12.4 REQUIRED)
  set(cuda_library_dir ${CUDAToolkit_LIBRARY_DIR})
  if(CUDAToolkit_VERSION VERSION_LESS 12.8)
    message(WARNING "CUDA ${CUDAToolkit_VERSION}: prefill attention for compute capability 9.0 spills registers; 12.8 and later do not")
  else()
    # Serialised wgmma and an ignored setmaxnreg are errors.
    set_target_properties(ember_kernels PROPERTIES CUDA_COMPILER_LAUNCHER "${CMAKE_SOURCE_DIR}/scripts/nvcc_strict.sh;${CMAKE_CUDA_COMPILER_LAUNCHER}")
  endif()
  # 90a, not sm_90a by -arch: that would also assemble for compute_90, which has no wgmma.
  set(hopper --generate-code=arch=compute_90a,code=sm_90a)
  # Devices 8.6 and 8.9 run the code for 8.0; whatever comes after 9 has it translated when it starts.
  set(ampere --generate-code=arch=compute_80,code=sm_80 --generate-code=arch=compute_80,code=compute_80)
  foreach(source ${kernel_sources})
    if(source MATCHES "_sm90\\.cu$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${hopper}")
    elseif(source MATCHES "_sm80\\.cu$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${ampere}")
    else()
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${ampere};${hopper}")
    endif()
  endforeach()
  target_compile_options(ember_kernels PRIVATE --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra -Xptxas=--warn-on-spills)
  # Linked statically, so that the program starts where there is no CUDA; the driver and cuBLASLt are looked for when it runs.
  target_link_libraries(ember_kernels PUBLIC CUDA::cudart_static)
  target_include_directories(ember_kernels SYSTEM PUBLIC ${CUDAToolkit_INCLUDE_DIRS})
endif()
