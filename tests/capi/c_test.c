/* tern.h as C11: it compiles without a warning, its numbers are frozen, every function links and refuses NULL. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <tern/tern.h>

_Static_assert(TERN_API_VERSION == 1, "a change of the API's version is a decision");
_Static_assert(TERN_OK == 0 && TERN_INVALID_ARGUMENT == 1 && TERN_CORRUPT == 2 && TERN_UNSUPPORTED == 3, "frozen");
_Static_assert(TERN_NOT_FOUND == 4 && TERN_IO_ERROR == 5 && TERN_OUT_OF_MEMORY == 6 && TERN_ABORTED == 7, "frozen");
_Static_assert(TERN_INTERNAL == 8 && TERN_BUFFER_TOO_SMALL == 9, "frozen");
_Static_assert(TERN_KERNELS_BEST == 0 && TERN_KERNELS_REFERENCE == 1 && TERN_KERNELS_DOT == 2, "frozen");
_Static_assert(TERN_KERNELS_MULTIPLICATION_FREE == 3, "frozen");
_Static_assert(TERN_ACTIVATIONS_FROM_FILE == 0 && TERN_ACTIVATIONS_F32 == 1, "frozen");
_Static_assert(TERN_CACHE_F16 == 0 && TERN_CACHE_F32 == 1, "frozen");
/* Version 1 of the structs, on machines with 64-bit pointers. */
_Static_assert(sizeof(void*) != 8 || sizeof(tern_load_options) == 48, "frozen");
_Static_assert(sizeof(void*) != 8 || sizeof(tern_model_info) == 72, "frozen");
_Static_assert(sizeof(void*) != 8 || sizeof(tern_session_options) == 32, "frozen");
_Static_assert(sizeof(void*) != 8 || sizeof(tern_session_info) == 24, "frozen");
_Static_assert(sizeof(void*) != 8 || offsetof(tern_sampler_options, presence_penalty) == 40, "frozen");
_Static_assert(sizeof(tern_step_token) == 12 && sizeof(tern_error) == 512, "frozen");

static int failures = 0;

static void expect(int line, tern_status found, tern_status expected, const tern_error* error) {
  if (found == expected && error->status == expected && (found == TERN_OK) == (error->message[0] == '\0')) return;
  fprintf(stderr, "line %d: status %d, expected %d: %s\n", line, (int)found, (int)expected, error->message);
  ++failures;
}
#define REFUSED(call) expect(__LINE__, call, TERN_INVALID_ARGUMENT, &error)

static void refuse_null(void) {
  tern_error error;
  REFUSED(tern_model_load(NULL, NULL, NULL, &error));
  REFUSED(tern_model_get_info(NULL, NULL, &error));
  REFUSED(tern_model_kernels(NULL, NULL, 0, NULL, &error));
  REFUSED(tern_model_warnings(NULL, NULL, 0, NULL, &error));
  REFUSED(tern_tokenize(NULL, NULL, 0, 0, NULL, 0, NULL, &error));
  REFUSED(tern_detokenize(NULL, NULL, 0, NULL, 0, NULL, &error));
  REFUSED(tern_piece(NULL, 0, -1, NULL, 0, NULL, &error));
  REFUSED(tern_token_stops(NULL, 0, NULL, &error));
  REFUSED(tern_session_create(NULL, NULL, NULL, &error));
  REFUSED(tern_session_get_info(NULL, NULL, &error));
  REFUSED(tern_sequence_add(NULL, NULL, &error));
  REFUSED(tern_sequence_fork(NULL, 0, NULL, &error));
  REFUSED(tern_sequence_truncate(NULL, 0, 0, &error));
  REFUSED(tern_sequence_remove(NULL, 0, &error));
  REFUSED(tern_sequence_length(NULL, 0, NULL, &error));
  REFUSED(tern_sequence_save(NULL, 0, NULL, 0, NULL, &error));
  REFUSED(tern_sequence_restore(NULL, NULL, 0, NULL, &error));
  REFUSED(tern_sequence_save_file(NULL, 0, NULL, &error));
  REFUSED(tern_sequence_restore_file(NULL, NULL, NULL, &error));
  REFUSED(tern_step(NULL, NULL, 0, NULL, NULL, &error));
  REFUSED(tern_logits(NULL, 0, NULL, NULL, &error));
  REFUSED(tern_sampler_create(NULL, NULL, &error));
  REFUSED(tern_sampler_sample(NULL, NULL, 0, NULL, &error));
  REFUSED(tern_sampler_accept(NULL, 0, &error));
  tern_model_free(NULL);
  tern_session_free(NULL);
  tern_sampler_free(NULL);
}

static void sample(void) {
  const float logits[3] = {0.5f, 2.0f, 1.0f};
  tern_sampler_options options = {.struct_size = sizeof options, .temperature = 1.0f, .top_k = 1};
  tern_sampler* sampler = NULL;
  tern_error error;
  int32_t token = 0;
  expect(__LINE__, tern_sampler_create(&options, &sampler, &error), TERN_OK, &error);
  expect(__LINE__, tern_sampler_sample(sampler, logits, 3, &token, &error), TERN_OK, &error);
  expect(__LINE__, tern_sampler_accept(sampler, token, &error), TERN_OK, &error);
  tern_sampler_free(sampler);
  failures += token != 1;
}

int main(void) {
  refuse_null();
  sample();
  failures += tern_api_version() != TERN_API_VERSION;
  failures += strlen(tern_version()) == 0 || strcmp(tern_status_name(TERN_ABORTED), "aborted") != 0;
  failures += tern_logits_count(NULL) != 0 || tern_logits_hash(NULL, 0, 0) == tern_logits_hash(NULL, 0, 1);
  return failures != 0;
}
