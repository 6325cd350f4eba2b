# tern_room(name SOURCES a.cc ... LINK other rooms and packages): one static library per room,
# seen from the project root ("base/status.h").
function(tern_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINK;LINK_PRIVATE" ${ARGN})
  add_library(tern_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(tern_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(tern_${name} PUBLIC ${ROOM_LINK} PRIVATE ${ROOM_LINK_PRIVATE})
endfunction()
