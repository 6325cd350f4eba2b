tern_test(linear_kernels
  SOURCES linear_test.cc linear_dispatch_test.cc linear_case.cc
  LINK tern_kernels tern_encoding tern_base)
