import CMariaDB
import CPostgreSQL
import CSQLite
import LibraryLoading

/// Loads a database's client library; what is missing is told as a connector's error.
private func load<Functions>(
    _ name: String, version: String, formula: String, package: String,
    _ resolve: (UnsafeMutableRawPointer, UnsafeMutablePointer<Functions>) -> UnsafePointer<CChar>?
) throws(SQLError) -> SharedLibrary<Functions> {
    do throws(LibraryError) {
        return try SharedLibrary(
            SharedLibrary<Functions>.names(name, version: version, formula: formula), package: package, resolve)
    } catch {
        throw SQLError(
            .other, sqlState: "58000", "The database's client library cannot be loaded: \(error)")
    }
}

/// libmariadb, which speaks to MariaDB and MySQL.
enum MariaDBLibrary {
    private static let loaded = Result { () throws(SQLError) in
        let library: SharedLibrary<MariaDBFunctions> = try load(
            "libmariadb", version: "3", formula: "mariadb-connector-c", package: "libmariadb3",
            { MariaDBFunctions_load($0, $1) })
        // The library's own start is not safe from several threads at once.
        _ = library.functions.pointee.mysql_server_init(0, nil, nil)
        return library
    }

    static func functions() throws(SQLError) -> UnsafePointer<MariaDBFunctions> {
        try loaded.get().functions
    }
}

/// libpq, which speaks to PostgreSQL.
enum PostgreSQLLibrary {
    private static let loaded = Result { () throws(SQLError) in
        try load("libpq", version: "5", formula: "libpq", package: "libpq5", { PostgreSQLFunctions_load($0, $1) })
            as SharedLibrary<PostgreSQLFunctions>
    }

    static func functions() throws(SQLError) -> UnsafePointer<PostgreSQLFunctions> {
        try loaded.get().functions
    }
}

/// libsqlite3.
enum SQLiteLibrary {
    private static let loaded = Result { () throws(SQLError) in
        try load(
            "libsqlite3", version: "0", formula: "sqlite", package: "libsqlite3-0", { SQLiteFunctions_load($0, $1) })
            as SharedLibrary<SQLiteFunctions>
    }

    static func functions() throws(SQLError) -> UnsafePointer<SQLiteFunctions> {
        try loaded.get().functions
    }
}
