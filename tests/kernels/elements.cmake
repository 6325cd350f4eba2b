tern_test(elements SOURCES elements_test.cc attention_test.cc LINK tern_kernels)
