#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

import CMariaDB
import CPostgreSQL
import CSQLite

/// A database's C library, loaded when a connector first needs it: a program that uses none of the databases neither
/// waits for their libraries nor holds them in memory, and one library may be absent.
struct SharedLibrary<Functions>: @unchecked Sendable {
    /// The library's functions. They stay for the life of the process.
    let functions: UnsafePointer<Functions>

    /// - Parameters:
    ///   - names: the files to try, in order.
    ///   - package: what to install if there is none.
    ///   - resolve: fills the functions in; the name of one that the library lacks, or nil.
    init(
        _ names: [String], package: String,
        _ resolve: (UnsafeMutableRawPointer, UnsafeMutablePointer<Functions>) -> UnsafePointer<CChar>?
    ) throws(SQLError) {
        var reason = ""
        for name in names {
            // Global, because libraries' own plugins look for their symbols there.
            guard let library = dlopen(name, RTLD_NOW | RTLD_GLOBAL) else {
                reason = dlerror().map { String(cString: $0) } ?? reason
                continue
            }
            let functions = UnsafeMutablePointer<Functions>.allocate(capacity: 1)
            guard let missing = resolve(library, functions) else {
                self.functions = UnsafePointer(functions)
                return
            }
            reason = "\(name) has no function \(String(cString: missing))"
            functions.deallocate()
            dlclose(library)
        }
        throw SQLError(
            .other, sqlState: "58000",
            "The database's client library cannot be loaded: install the package \(package) (\(reason))")
    }

    /// The file of a library in the places where a system keeps it.
    static func names(_ name: String, version: String, formula: String) -> [String] {
        #if canImport(Darwin)
            let file = "\(name).\(version).dylib"
            return [file] + ["/opt/homebrew/opt", "/usr/local/opt"].flatMap { ["\($0)/\(formula)/lib/\(file)"] }
        #else
            return ["\(name).so.\(version)", "\(name).so"]
        #endif
    }
}

/// libmariadb, which speaks to MariaDB and MySQL.
enum MariaDBLibrary {
    private static let loaded = Result { () throws(SQLError) in
        let library = try SharedLibrary(
            SharedLibrary<MariaDBFunctions>.names("libmariadb", version: "3", formula: "mariadb-connector-c"),
            package: "libmariadb3", { MariaDBFunctions_load($0, $1) })
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
        try SharedLibrary(
            SharedLibrary<PostgreSQLFunctions>.names("libpq", version: "5", formula: "libpq"), package: "libpq5",
            { PostgreSQLFunctions_load($0, $1) })
    }

    static func functions() throws(SQLError) -> UnsafePointer<PostgreSQLFunctions> {
        try loaded.get().functions
    }
}

/// libsqlite3.
enum SQLiteLibrary {
    private static let loaded = Result { () throws(SQLError) in
        try SharedLibrary(
            SharedLibrary<SQLiteFunctions>.names("libsqlite3", version: "0", formula: "sqlite"),
            package: "libsqlite3-0", { SQLiteFunctions_load($0, $1) })
    }

    static func functions() throws(SQLError) -> UnsafePointer<SQLiteFunctions> {
        try loaded.get().functions
    }
}
