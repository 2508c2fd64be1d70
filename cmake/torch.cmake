# LibTorch as the target unroll_torch, for comparisons only. Found by hand: its own package file prints, looks for
# CUDA, and takes longer.
find_path(UNROLL_TORCH_API_DIR torch/torch.h PATH_SUFFIXES torch/csrc/api/include)
find_path(UNROLL_TORCH_INCLUDE_DIR ATen/ATen.h)
find_library(UNROLL_TORCH_LIBRARY torch)
find_library(UNROLL_TORCH_CPU_LIBRARY torch_cpu)
find_library(UNROLL_C10_LIBRARY c10)
find_library(UNROLL_GLOG_LIBRARY glog)  # the logging that Debian's LibTorch calls from its headers
mark_as_advanced(UNROLL_GLOG_LIBRARY UNROLL_TORCH_API_DIR UNROLL_TORCH_INCLUDE_DIR UNROLL_TORCH_LIBRARY UNROLL_TORCH_CPU_LIBRARY
                 UNROLL_C10_LIBRARY)
if(UNROLL_TORCH_API_DIR AND UNROLL_TORCH_INCLUDE_DIR AND UNROLL_TORCH_LIBRARY AND UNROLL_TORCH_CPU_LIBRARY
   AND UNROLL_C10_LIBRARY)
  set(UNROLL_HAVE_TORCH ON)
  add_library(unroll_torch INTERFACE)
  target_include_directories(unroll_torch SYSTEM INTERFACE "${UNROLL_TORCH_API_DIR}" "${UNROLL_TORCH_INCLUDE_DIR}")
  target_link_libraries(unroll_torch INTERFACE "${UNROLL_TORCH_LIBRARY}" "${UNROLL_TORCH_CPU_LIBRARY}"
                                               "${UNROLL_C10_LIBRARY}")
  if(UNROLL_GLOG_LIBRARY)
    target_link_libraries(unroll_torch INTERFACE "${UNROLL_GLOG_LIBRARY}")
  endif()
  set(UNROLL_TORCH_VERSION "")
  foreach(part MAJOR MINOR PATCH)
    unroll_header_define("${UNROLL_TORCH_API_DIR}/torch/version.h" TORCH_VERSION_${part} number)
    list(APPEND UNROLL_TORCH_VERSION "${number}")
  endforeach()
  list(JOIN UNROLL_TORCH_VERSION "." UNROLL_TORCH_VERSION)
endif()
