/* Continues a prompt with the most likely tokens: story MODEL PROMPT [TOKENS]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern/tern.h>

enum { MAX_PROMPT = 512 };

static tern_error error;

static int failed(tern_status status) {
  if (status != TERN_OK) fprintf(stderr, "story: %s\n", error.message);
  return status != TERN_OK;
}

/* Appends tokens to the sequence; the logits of what follows the last one are kept. */
static tern_status append(tern_session* session, uint32_t sequence, const int32_t* tokens, size_t count) {
  tern_step_token step[MAX_PROMPT];
  for (size_t i = 0; i < count; ++i) step[i] = (tern_step_token){sequence, tokens[i], i + 1 == count};
  return tern_step(session, step, count, NULL, NULL, &error);
}

static tern_status tell(tern_model* model, tern_session* session, tern_sampler* sampler, const char* prompt, int most) {
  int32_t tokens[MAX_PROMPT];
  size_t count = 0;
  uint32_t sequence = 0;
  tern_model_info info = {.struct_size = sizeof info};
  tern_status status = tern_model_get_info(model, &info, &error);
  if (status == TERN_OK) status = tern_tokenize(model, prompt, strlen(prompt), 1, tokens, MAX_PROMPT, &count, &error);
  if (status == TERN_OK) status = tern_sequence_add(session, &sequence, &error);
  if (status == TERN_OK) status = append(session, sequence, tokens, count);

  int32_t previous = count > 0 ? tokens[count - 1] : -1;
  for (int made = 0; status == TERN_OK && made < most; ++made) {
    const float* logits = NULL;
    int32_t token = 0;
    int stops = 0;
    char piece[TERN_PIECE_CAPACITY];
    if ((status = tern_logits(session, 0, &logits, &count, &error)) != TERN_OK) break;
    if (count > info.pieces) count = info.pieces; /* logits beyond belong to no token */
    if ((status = tern_sampler_sample(sampler, logits, count, &token, &error)) != TERN_OK) break;
    if ((status = tern_token_stops(model, token, &stops, &error)) != TERN_OK || stops) break;
    if ((status = tern_piece(model, token, previous, piece, sizeof piece, &count, &error)) != TERN_OK) break;
    fwrite(piece, 1, count, stdout);
    fflush(stdout);
    previous = token;
    status = append(session, sequence, &token, 1);
  }
  return status;
}

int main(int argc, char** argv) {
  if (argc < 3) return fprintf(stderr, "usage: story MODEL PROMPT [TOKENS]\n"), 2;
  tern_model* model = NULL;
  tern_session* session = NULL;
  tern_sampler* sampler = NULL;
  int bad = failed(tern_model_load(argv[1], NULL, &model, &error)) ||
            failed(tern_session_create(model, NULL, &session, &error)) ||
            failed(tern_sampler_create(NULL, &sampler, &error));
  if (!bad) {
    fputs(argv[2], stdout);
    bad = failed(tell(model, session, sampler, argv[2], argc > 3 ? atoi(argv[3]) : 64));
    putchar('\n');
  }
  tern_sampler_free(sampler);
  tern_session_free(session);
  tern_model_free(model);
  return bad;
}
