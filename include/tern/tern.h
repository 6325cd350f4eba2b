/* tern.h: the C API of tern, version 1. C11 and C++.
 *
 * A program loads a model, makes a session, adds sequences to it, runs steps of tokens, and picks the next token from
 * the logits:
 *
 *     tern_model_load -> tern_tokenize -> tern_session_create -> tern_sequence_add
 *       -> tern_step -> tern_logits -> tern_sampler_sample -> tern_piece -> tern_step -> ...
 *
 * Errors. Functions that can fail return a tern_status and take a tern_error* as their last argument: the caller's own
 * struct, which receives the status and a sentence (empty on success), or NULL. On failure outputs are 0 or NULL and
 * nothing has changed, unless a function says otherwise. No function throws, aborts or prints.
 *
 * Buffers. A function that fills a caller's buffer takes its capacity and always stores the size needed. If the
 * capacity is too small it writes nothing else and returns TERN_BUFFER_TOO_SMALL; NULL with capacity 0 asks for the
 * size alone. Text is UTF-8, may contain NUL bytes, and is NUL-terminated: its capacity must exceed its size.
 *
 * Option structs start with struct_size, which the caller sets to sizeof. Zero means the default in every other
 * member; NULL instead of a struct means all defaults. Structs grow at their end: a library reads an older caller's
 * smaller struct, and refuses a newer caller's larger one only if the part that it does not know is not zero.
 *
 * Threads. A tern_model is immutable: any number of threads may use it. A tern_session and a tern_sampler serve one
 * thread at a time; different ones are independent. A session runs a thread team of its own inside a step.
 * A model may be freed before the sessions made from it. The file of a model must not change while it is in use.
 *
 * Results. Logits and sampled tokens have the same bits on every CPU, with any number of threads and any split of the
 * tokens into steps. */
#ifndef TERN_TERN_H
#define TERN_TERN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TERN_API __attribute__((visibility("default")))
#else
#define TERN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- versions ---- */

#define TERN_API_VERSION 1

TERN_API uint32_t tern_api_version(void); /* TERN_API_VERSION of the library that runs */
TERN_API const char* tern_version(void);  /* of the library: "0.1.0" */

/* ---- errors ---- */

/* The numbers never change; new ones may be added. */
typedef enum tern_status {
  TERN_OK = 0,
  TERN_INVALID_ARGUMENT = 1, /* the caller asked for something that makes no sense */
  TERN_CORRUPT = 2,          /* a file or buffer breaks a rule of its own format */
  TERN_UNSUPPORTED = 3,      /* well-formed, but this build or version lacks it */
  TERN_NOT_FOUND = 4,
  TERN_IO_ERROR = 5,
  TERN_OUT_OF_MEMORY = 6,
  TERN_ABORTED = 7,  /* a callback asked to stop */
  TERN_INTERNAL = 8, /* a defect of tern */
  TERN_BUFFER_TOO_SMALL = 9
} tern_status;

typedef struct tern_error {
  tern_status status;
  char message[508]; /* one sentence, NUL-terminated; cut at a character if it is longer */
} tern_error;

TERN_API const char* tern_status_name(tern_status status); /* "corrupt"; "unknown" for other numbers */

/* Reports long work. Returning anything but 0 asks it to stop: the function that works then returns TERN_ABORTED and
 * leaves everything as it was. Called on the thread that called tern. `what` is valid during the call; total 0 means
 * unknown. */
typedef int (*tern_progress)(void* user, const char* what, uint64_t done, uint64_t total);

/* ---- model ---- */

typedef struct tern_model tern_model;

enum { TERN_KERNELS_BEST = 0, TERN_KERNELS_REFERENCE = 1, TERN_KERNELS_DOT = 2, TERN_KERNELS_MULTIPLICATION_FREE = 3 };
enum { TERN_ACTIVATIONS_FROM_FILE = 0, TERN_ACTIVATIONS_F32 = 1 };

typedef struct tern_load_options {
  size_t struct_size;
  const char* isa;        /* most capable instruction set to use: "native" (NULL), "scalar", "avx2", "neon", ... */
  int32_t kernels;        /* TERN_KERNELS_*: force one family of kernels where it exists */
  int32_t activations;    /* TERN_ACTIVATIONS_F32: do not round activations, to compare with float references */
  int32_t check_tensors;  /* not 0: read the whole file and check its hashes and values */
  int32_t stages;         /* of phase weights, run only the first so many stages; 0: all */
  tern_progress progress; /* of check_tensors, in bytes; may be NULL */
  void* progress_user;
} tern_load_options;

/* Maps a .tern file (tern convert makes them). path: a C string in the system's encoding. */
TERN_API tern_status tern_model_load(const char* path, const tern_load_options* options, tern_model** model,
                                     tern_error* error);
TERN_API void tern_model_free(tern_model* model); /* NULL is allowed */

typedef struct tern_model_info {
  size_t struct_size; /* set by the caller; members beyond it are not written */
  uint32_t vocab_size, hidden_size, ffn_size, layers, heads, kv_heads, head_dim;
  uint32_t context; /* positions that the model was trained for */
  uint64_t file_bytes;
  uint64_t bytes_per_token; /* weights that one decoded token reads */
  int32_t has_tokenizer;    /* 1 or 0 */
  int32_t bos, eos;         /* token ids; -1: none */
  uint32_t pieces;          /* of the vocabulary; 0 without one. Logits from there on belong to no token where it is
                             * less than vocab_size: give only the first `pieces` of them to a sampler */
} tern_model_info;

TERN_API tern_status tern_model_get_info(const tern_model* model, tern_model_info* info, tern_error* error);

/* Names of the kernels that run the linear layers, separated by ", ". size: without the NUL. */
TERN_API tern_status tern_model_kernels(const tern_model* model, char* names, size_t capacity, size_t* size,
                                        tern_error* error);

/* What a user should know about the loaded model, a sentence a line; empty if all is well. Every kernel is compared
 * with the scalar code when it is first used: one that gives wrong results on this CPU is passed over, and named here
 * with the one that runs instead. */
TERN_API tern_status tern_model_warnings(const tern_model* model, char* text, size_t capacity, size_t* size,
                                         tern_error* error);

/* ---- text ---- */

/* Fail with TERN_NOT_FOUND if the file holds no tokenizer. tern_tokenize fails with TERN_UNSUPPORTED in a build without
 * tokenizers (TERN_TEXT=OFF); the others work there. */

/* Token ids of `text_size` bytes of any content. add_bos not 0: the file's rule decides whether a BOS comes first. */
TERN_API tern_status tern_tokenize(const tern_model* model, const char* text, size_t text_size, int add_bos,
                                   int32_t* tokens, size_t capacity, size_t* count, tern_error* error);
TERN_API tern_status tern_detokenize(const tern_model* model, const int32_t* tokens, size_t count, char* text,
                                     size_t capacity, size_t* size, tern_error* error);
/* What one token adds to a text whose last token is `previous` (-1: it is the first). May end inside a UTF-8 sequence
 * that the next piece completes. TERN_PIECE_CAPACITY bytes hold any piece with its NUL. */
#define TERN_PIECE_CAPACITY 4097
TERN_API tern_status tern_piece(const tern_model* model, int32_t token, int32_t previous, char* text, size_t capacity,
                                size_t* size, tern_error* error);
/* stops: 1 if the token ends a text, else 0. */
TERN_API tern_status tern_token_stops(const tern_model* model, int32_t token, int* stops, tern_error* error);

/* ---- session ---- */

typedef struct tern_session tern_session;

enum { TERN_CACHE_F16 = 0, TERN_CACHE_F32 = 1 };

typedef struct tern_session_options {
  size_t struct_size;
  uint32_t context;             /* most positions of a sequence; 0: the model's */
  uint32_t threads;             /* 0: one per physical core */
  uint32_t batch;               /* most tokens computed at once, longer steps are cut; 0: 512 */
  int32_t key_type, value_type; /* TERN_CACHE_* */
  uint32_t reserved;            /* 0 */
} tern_session_options;

TERN_API tern_status tern_session_create(const tern_model* model, const tern_session_options* options,
                                         tern_session** session, tern_error* error);
TERN_API void tern_session_free(tern_session* session); /* frees its sequences; NULL is allowed */

typedef struct tern_session_info {
  size_t struct_size; /* set by the caller; members beyond it are not written */
  uint32_t context, threads;
  uint64_t cache_bytes; /* memory held by cached keys and values now */
} tern_session_info;

TERN_API tern_status tern_session_get_info(const tern_session* session, tern_session_info* info, tern_error* error);

/* Sequences are named by ids; the id of a removed one is not used again. An unknown id is TERN_INVALID_ARGUMENT. */
TERN_API tern_status tern_sequence_add(tern_session* session, uint32_t* sequence, tern_error* error);
TERN_API tern_status tern_sequence_fork(tern_session* session, uint32_t source, uint32_t* sequence, tern_error* error);
TERN_API tern_status tern_sequence_truncate(tern_session* session, uint32_t sequence, uint32_t length,
                                            tern_error* error); /* keeps the first `length` positions */
TERN_API tern_status tern_sequence_remove(tern_session* session, uint32_t sequence, tern_error* error);
TERN_API tern_status tern_sequence_length(const tern_session* session, uint32_t sequence, uint32_t* length,
                                          tern_error* error);

/* A sequence's keys and values, to go on later without computing them again: in any session of the same model file,
 * activations and cache types, on any machine. Bytes that are read are checked in full: truncated, changed or foreign
 * ones are refused before anything is made of them. The check finds accidents; it is no proof of who wrote the bytes.
 * A file appears under its name only when it is complete; one that is being restored must not change. */
TERN_API tern_status tern_sequence_save(const tern_session* session, uint32_t sequence, void* bytes, size_t capacity,
                                        size_t* size, tern_error* error);
TERN_API tern_status tern_sequence_restore(tern_session* session, const void* bytes, size_t size, uint32_t* sequence,
                                           tern_error* error);
TERN_API tern_status tern_sequence_save_file(const tern_session* session, uint32_t sequence, const char* path,
                                             tern_error* error);
TERN_API tern_status tern_sequence_restore_file(tern_session* session, const char* path, uint32_t* sequence,
                                                tern_error* error);

/* ---- steps ---- */

typedef struct tern_step_token {
  uint32_t sequence;
  int32_t token;
  int32_t want_logits; /* not 0: compute the logits of what follows this token */
} tern_step_token;

/* Appends tokens to their sequences, in order; several sequences may be interleaved. If it fails, every sequence is as
 * it was. Logits of an earlier step are gone in any case. progress: in tokens, may be NULL. */
TERN_API tern_status tern_step(tern_session* session, const tern_step_token* tokens, size_t count,
                               tern_progress progress, void* progress_user, tern_error* error);

/* How many tokens of the last step asked for logits (0 for NULL), and the vocab_size logits of the index-th of them.
 * They belong to the session and are valid until its next step. */
TERN_API size_t tern_logits_count(const tern_session* session);
TERN_API tern_status tern_logits(const tern_session* session, size_t index, const float** logits, size_t* count,
                                 tern_error* error);

/* XXH3-64 of the bits of `count` logits, chained by `seed` (0 at first): equal hashes mean equal bits. NULL counts as
 * none. */
TERN_API uint64_t tern_logits_hash(const float* logits, size_t count, uint64_t seed);

/* ---- sampler ---- */

typedef struct tern_sampler tern_sampler;

/* All zeros: greedy. Applied in this order, presence and frequency beside the repetition penalty. */
typedef struct tern_sampler_options {
  size_t struct_size;
  float repeat_penalty;  /* divides the logits of recent tokens; 0 and 1: off */
  int32_t repeat_last_n; /* how many tokens the penalties look back on; -1: all */
  int32_t top_k;         /* keep the k best; 0: all */
  float top_p;           /* keep the best that hold this probability; 0 and 1: all */
  float min_p;           /* drop those below this share of the best one's probability; 0: none */
  float temperature;     /* 0: greedy, the lowest id among equals */
  uint64_t seed;
  float presence_penalty;  /* subtracted from the logits of recent tokens; 0: off */
  float frequency_penalty; /* the same, times how often the token occurred; 0: off */
} tern_sampler_options;

TERN_API tern_status tern_sampler_create(const tern_sampler_options* options, tern_sampler** sampler,
                                         tern_error* error);
TERN_API void tern_sampler_free(tern_sampler* sampler); /* NULL is allowed */

/* Picks the next token, one below `count` (tern_model_info.pieces, if that is less than there are logits). Logits that
 * are not finite are never picked; if none is finite, TERN_INVALID_ARGUMENT. */
TERN_API tern_status tern_sampler_sample(tern_sampler* sampler, const float* logits, size_t count, int32_t* token,
                                         tern_error* error);
/* Tells the penalties what was appended, prompt tokens too. */
TERN_API tern_status tern_sampler_accept(tern_sampler* sampler, int32_t token, tern_error* error);

#ifdef __cplusplus
}
#endif

#endif /* TERN_TERN_H */
