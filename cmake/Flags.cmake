# SPDX-License-Identifier: Apache-2.0
# outrigger_flags: warnings, hardening and sanitizers of all our own code.
add_library(outrigger_flags INTERFACE)
target_compile_options(outrigger_flags INTERFACE
  -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wwrite-strings -Wcast-align -Wpointer-arith
  -Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough -Wconversion
  -Wnull-dereference -fno-common -fvisibility=hidden)
if(OUTRIGGER_WERROR)
  target_compile_options(outrigger_flags INTERFACE -Werror)
endif()
target_compile_definitions(outrigger_flags INTERFACE _GNU_SOURCE OUTRIGGER_VERSION="${PROJECT_VERSION}")
target_include_directories(outrigger_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(OUTRIGGER_SANITIZE)
  target_compile_options(outrigger_flags INTERFACE
    -fsanitize=${OUTRIGGER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(outrigger_flags INTERFACE -fsanitize=${OUTRIGGER_SANITIZE})
  # gcc 12 reports possible null paths that only its own instrumentation makes.
  target_compile_options(outrigger_flags INTERFACE -Wno-null-dereference)
  target_compile_definitions(outrigger_flags INTERFACE OUTRIGGER_SANITIZED=1)
else()
  target_compile_options(outrigger_flags INTERFACE -fstack-protector-strong)
  target_compile_options(outrigger_flags INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
target_link_options(outrigger_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# outrigger_library(name dir): a static library of every .c in dir (not below it).
function(outrigger_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_link_libraries(${name} PUBLIC outrigger_flags ${A_DEPS})
endfunction()
