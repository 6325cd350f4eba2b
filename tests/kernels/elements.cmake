# Also run on CPUs emulated at a hundredth of the speed.
set_source_files_properties(elements_test.cc attention_test.cc hadamard_test.cc quantize_test.cc PROPERTIES COMPILE_OPTIONS -O1)
tern_test(elements SOURCES elements_test.cc attention_test.cc hadamard_test.cc quantize_test.cc LINK tern_kernels tern_convert)
