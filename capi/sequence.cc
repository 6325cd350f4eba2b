#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "capi/handles.h"
#include "capi/outcome.h"

using tern::SequenceId;
using tern::capi::guarded;
using tern::capi::not_null;
using tern::capi::Outcome;

namespace {

// Runs `make`, which gives a new sequence, and hands its id out.
template <class Make>
tern_status new_sequence(tern_session* session, uint32_t* sequence, tern_error* error, Make make) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(sequence, "sequence"));
    *sequence = 0;
    TERN_TRY(not_null(session, "session"));
    TERN_ASSIGN(*sequence, make(*session->session));
    return {};
  });
}

}  // namespace

tern_status tern_sequence_add(tern_session* session, uint32_t* sequence, tern_error* error) {
  return new_sequence(session, sequence, error, [](tern::Session& s) { return s.add_sequence(); });
}

tern_status tern_sequence_fork(tern_session* session, uint32_t source, uint32_t* sequence, tern_error* error) {
  return new_sequence(session, sequence, error, [=](tern::Session& s) { return s.fork(source); });
}

tern_status tern_sequence_truncate(tern_session* session, uint32_t sequence, uint32_t length, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(session, "session"));
    return session->session->truncate(sequence, length);
  });
}

tern_status tern_sequence_remove(tern_session* session, uint32_t sequence, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(session, "session"));
    return session->session->remove(sequence);
  });
}

tern_status tern_sequence_length(const tern_session* session, uint32_t sequence, uint32_t* length, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(length, "length"));
    *length = 0;
    TERN_TRY(not_null(session, "session"));
    if (!session->session->contains(sequence)) {
      return tern::invalid_argument("there is no sequence " + std::to_string(sequence));
    }
    *length = session->session->length(sequence);
    return {};
  });
}

tern_status tern_sequence_save(const tern_session* session, uint32_t sequence, void* bytes, size_t capacity,
                               size_t* size, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(size, "size"));
    *size = 0;
    TERN_TRY(not_null(session, "session"));
    TERN_TRY(not_null(bytes, capacity, "bytes"));
    TERN_ASSIGN(const uint64_t needed, session->session->saved_bytes(sequence));
    *size = needed;
    if (capacity < needed) {
      return {TERN_BUFFER_TOO_SMALL,
              "the buffer holds " + std::to_string(capacity) + ", needed are " + std::to_string(needed)};
    }
    return session->session->save(sequence, {static_cast<std::byte*>(bytes), needed});
  });
}

tern_status tern_sequence_restore(tern_session* session, const void* bytes, size_t size, uint32_t* sequence,
                                  tern_error* error) {
  return new_sequence(session, sequence, error, [=](tern::Session& s) -> tern::Result<SequenceId> {
    TERN_TRY(not_null(bytes, size, "bytes"));
    return s.restore({static_cast<const std::byte*>(bytes), size});
  });
}

tern_status tern_sequence_save_file(const tern_session* session, uint32_t sequence, const char* path,
                                    tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(session, "session"));
    TERN_TRY(not_null(path, "path"));
    TERN_ASSIGN(const uint64_t size, session->session->saved_bytes(sequence));
    std::vector<std::byte> bytes(size);
    TERN_TRY(session->session->save(sequence, bytes));
    TERN_ASSIGN(tern::AtomicFile file, tern::AtomicFile::create(path));
    TERN_TRY(file.append(bytes));
    return file.commit();
  });
}

tern_status tern_sequence_restore_file(tern_session* session, const char* path, uint32_t* sequence, tern_error* error) {
  return new_sequence(session, sequence, error, [=](tern::Session& s) -> tern::Result<SequenceId> {
    TERN_TRY(not_null(path, "path"));
    TERN_ASSIGN(const tern::MappedFile file, tern::MappedFile::open(path));
    const auto restored = s.restore(file.bytes());
    if (!restored.ok()) return restored.status().within(path);
    return restored;
  });
}
