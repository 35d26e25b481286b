# SPDX-License-Identifier: Apache-2.0
# ember_hf: the Rust static library (tokenizers, chat templates) and its C header.
find_program(CARGO cargo HINTS $ENV{HOME}/.cargo/bin REQUIRED)
set(EMBER_HF_TARGET_DIR ${CMAKE_BINARY_DIR}/hf CACHE PATH "where cargo builds; several build folders may share one")
set(hf_source ${CMAKE_CURRENT_LIST_DIR})
set(hf_library ${EMBER_HF_TARGET_DIR}/release/libember_hf.a)
file(GLOB_RECURSE hf_inputs CONFIGURE_DEPENDS ${hf_source}/src/*.rs ${hf_source}/Cargo.toml ${hf_source}/Cargo.lock)
add_custom_command(
  OUTPUT ${hf_library}
  COMMAND ${CARGO} build --release --locked --quiet --manifest-path ${hf_source}/Cargo.toml --target-dir ${EMBER_HF_TARGET_DIR}
  COMMAND ${CMAKE_COMMAND} -E touch ${hf_library}
  DEPENDS ${hf_inputs}
  COMMENT "Building the Rust library")
add_custom_target(ember_hf_build DEPENDS ${hf_library})
# No add_dependencies: what links the library waits for the file, what compiles does not.
add_library(ember_hf INTERFACE)
target_include_directories(ember_hf INTERFACE ${hf_source})
target_link_libraries(ember_hf INTERFACE ${hf_library} Threads::Threads ${CMAKE_DL_LIBS} m)
