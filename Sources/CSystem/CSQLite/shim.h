// Types of the library's own header, and its functions as pointers: the program does not link the library, it loads
// it at first use (Sources/LibraryLoading).
#pragma once
#include <dlfcn.h>
#include <sqlite3.h>

#define SQLITE_FUNCTIONS(X) \
    X(sqlite3_bind_blob64) X(sqlite3_bind_double) X(sqlite3_bind_int64) \
    X(sqlite3_bind_null) X(sqlite3_bind_text) X(sqlite3_bind_text64) \
    X(sqlite3_bind_zeroblob) X(sqlite3_busy_timeout) X(sqlite3_close_v2) \
    X(sqlite3_column_blob) X(sqlite3_column_bytes) X(sqlite3_column_count) \
    X(sqlite3_column_database_name) X(sqlite3_column_decltype) X(sqlite3_column_double) \
    X(sqlite3_column_int64) X(sqlite3_column_name) X(sqlite3_column_origin_name) \
    X(sqlite3_column_table_name) X(sqlite3_column_text) X(sqlite3_column_type) \
    X(sqlite3_errmsg) X(sqlite3_errstr) X(sqlite3_exec) \
    X(sqlite3_extended_result_codes) X(sqlite3_finalize) X(sqlite3_get_autocommit) \
    X(sqlite3_open_v2) X(sqlite3_prepare_v3) X(sqlite3_reset) \
    X(sqlite3_step) X(sqlite3_stmt_status) X(sqlite3_table_column_metadata)

/// The functions that Sluice calls.
struct SQLiteFunctions {
#define X(name) __typeof__(name) *_Nonnull name;
    SQLITE_FUNCTIONS(X)
#undef X
};

/// Finds every function in a library that dlopen gave.
/// Returns the name of the first that is missing; null if all are there.
static inline const char *_Nullable SQLiteFunctions_load(void *_Nonnull library, struct SQLiteFunctions *_Nonnull functions) {
    void *found;
#define X(name) \
    if (!(found = dlsym(library, #name))) return #name; \
    functions->name = (__typeof__(name) *)found;
    SQLITE_FUNCTIONS(X)
#undef X
    return 0;
}
