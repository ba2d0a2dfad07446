// Types of the library's own header, and its functions as pointers: the program does not link the library, it loads
// it at first use (Sources/LibraryLoading).
#pragma once
#include <dlfcn.h>
#if __has_include(<mariadb/mysql.h>)
#include <mariadb/mysql.h>
#else
#include <mysql.h>
#endif

#define MARIADB_FUNCTIONS(X) \
    X(mariadb_get_info) X(mysql_close) X(mysql_commit) \
    X(mysql_errno) X(mysql_error) X(mysql_fetch_fields) \
    X(mysql_free_result) X(mysql_init) X(mysql_num_fields) \
    X(mysql_options) X(mysql_real_connect) X(mysql_real_query) \
    X(mysql_rollback) X(mysql_sqlstate) X(mysql_stmt_attr_set) \
    X(mysql_stmt_bind_param) X(mysql_stmt_bind_result) X(mysql_stmt_close) \
    X(mysql_stmt_errno) X(mysql_stmt_error) X(mysql_stmt_execute) \
    X(mysql_stmt_fetch) X(mysql_stmt_fetch_column) X(mysql_stmt_free_result) \
    X(mysql_stmt_init) X(mysql_stmt_prepare) X(mysql_stmt_result_metadata) \
    X(mysql_stmt_sqlstate) X(mysql_use_result) X(mysql_server_init) \
    X(mysql_stmt_affected_rows) X(mysql_affected_rows)

/// The functions that Sluice calls.
struct MariaDBFunctions {
#define X(name) __typeof__(name) *_Nonnull name;
    MARIADB_FUNCTIONS(X)
#undef X
};

/// Finds every function in a library that dlopen gave.
/// Returns the name of the first that is missing; null if all are there.
static inline const char *_Nullable MariaDBFunctions_load(void *_Nonnull library, struct MariaDBFunctions *_Nonnull functions) {
    void *found;
#define X(name) \
    if (!(found = dlsym(library, #name))) return #name; \
    functions->name = (__typeof__(name) *)found;
    MARIADB_FUNCTIONS(X)
#undef X
    return 0;
}
