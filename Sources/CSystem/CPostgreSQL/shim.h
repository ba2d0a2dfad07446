// Types of the library's own header, and its functions as pointers: the program does not link the library, it loads
// it at first use (Sources/LibraryLoading).
#pragma once
#include <dlfcn.h>
#if __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#else
#include <libpq-fe.h>
#endif

#define POSTGRESQL_FUNCTIONS(X) \
    X(PQconnectStartParams) X(PQconnectPoll) X(PQconnectdbParams) \
    X(PQstatus) X(PQfinish) X(PQsocket) \
    X(PQerrorMessage) X(PQresultErrorMessage) X(PQresultErrorField) \
    X(PQresultStatus) X(PQclear) X(PQexec) \
    X(PQexecParams) X(PQprepare) X(PQdescribePrepared) \
    X(PQsendQueryPrepared) X(PQsendQueryParams) X(PQsetSingleRowMode) \
    X(PQgetResult) X(PQntuples) X(PQnfields) \
    X(PQfname) X(PQftype) X(PQfmod) \
    X(PQftable) X(PQftablecol) X(PQgetvalue) \
    X(PQgetlength) X(PQgetisnull) X(PQtransactionStatus) \
    X(PQserverVersion) X(PQparameterStatus) X(PQputCopyData) \
    X(PQputCopyEnd) X(PQgetCancel) X(PQcancel) \
    X(PQfreeCancel) X(PQcmdTuples) X(PQenterPipelineMode) \
    X(PQexitPipelineMode) X(PQpipelineSync) X(PQsetNoticeProcessor) \
    X(PQconsumeInput) X(PQisBusy) X(PQbackendPID) \
    X(PQgetCopyData) X(PQfreemem)

/// The functions that Sluice calls.
struct PostgreSQLFunctions {
#define X(name) __typeof__(name) *_Nonnull name;
    POSTGRESQL_FUNCTIONS(X)
#undef X
};

/// Finds every function in a library that dlopen gave.
/// Returns the name of the first that is missing; null if all are there.
static inline const char *_Nullable PostgreSQLFunctions_load(void *_Nonnull library, struct PostgreSQLFunctions *_Nonnull functions) {
    void *found;
#define X(name) \
    if (!(found = dlsym(library, #name))) return #name; \
    functions->name = (__typeof__(name) *)found;
    POSTGRESQL_FUNCTIONS(X)
#undef X
    return 0;
}
