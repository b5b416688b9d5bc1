# gatehouse.node: the addon, made by cmake-js, which gives the paths of the Node-API headers.
file(GLOB ADDON_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/addon/*.cc)
if(NOT ADDON_SOURCES)
  message(FATAL_ERROR "native/addon has no sources")
endif()
add_library(gatehouse SHARED ${ADDON_SOURCES} ${CMAKE_JS_SRC})
set_target_properties(gatehouse PROPERTIES PREFIX "" SUFFIX ".node")
target_include_directories(gatehouse SYSTEM PRIVATE ${CMAKE_JS_INC})
# An exception that an environment on its way out does not take is nobody's: a worker thread may be ended at any call.
target_compile_definitions(gatehouse PRIVATE NAPI_VERSION=8 NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
target_link_libraries(gatehouse PRIVATE gatehouse-core ${CMAKE_JS_LIB})
# Only Node-API's entry points are visible; libcrypto's and ipsec-mb's symbols are not. Never unloaded: libcrypto and thread-locals of worker
# threads have destructors in this object.
target_link_options(gatehouse PRIVATE
  -Wl,--exclude-libs,ALL
  -Wl,--gc-sections
  -Wl,-z,nodelete
  -Wl,--no-undefined-version
  $<$<CONFIG:Release>:-s>)
