# oneDNN, linked by programs that offer it, not by the library.
if(TARGET onednn::onednn)
  tern_room(onednn SOURCES onednn/dense_onednn.cc LINK tern_kernels tern_base LINK_PRIVATE onednn::onednn)
else()
  tern_room(onednn SOURCES onednn/missing_onednn.cc LINK tern_kernels tern_base)
endif()
