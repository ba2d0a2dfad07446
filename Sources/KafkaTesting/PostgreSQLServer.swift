import Foundation

/// A real PostgreSQL in a temporary folder, on a free port, for tests. The first test that needs one starts it through
/// ``shared()``; it is stopped and its folder removed when the process exits.
public final class PostgreSQLServer: Sendable {
    /// The password of ``user``.
    public static let password = "test1357"
    /// The superuser.
    public static let user = "postgres"

    /// The TCP port on 127.0.0.1.
    public let port: Int
    /// Where the socket file is.
    public let folder: String
    private let process: RestartableProcess
    private let client: String

    /// Makes a data folder and starts a server on it; returns when the server takes connections.
    public init(extraArguments: [String] = []) throws {
        guard let bin = Self.bin() else {
            throw MariaDBServer.Failure(description: "PostgreSQL is not installed: apt-get install postgresql")
        }
        client = bin + "/psql"
        folder = "/tmp/sluice-postgresql-\(UUID().uuidString.prefix(8))"
        port = try MariaDBServer.freePort()
        let data = folder + "/data"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let secret = folder + "/password"
        try Self.password.write(toFile: secret, atomically: true, encoding: .utf8)
        // The server refuses to run as root.
        let account = geteuid() == 0 ? Self.account() : nil
        if geteuid() == 0 {
            guard let account else {
                throw MariaDBServer.Failure(description: "running as root, and there is no user postgres or nobody")
            }
            for path in [folder, secret] { chown(path, account.user, account.group) }
        }
        let become =
            account.map { ["setpriv", "--reuid=\($0.user)", "--regid=\($0.group)", "--clear-groups"] } ?? ["env"]
        try MariaDBServer.run(
            "/usr/bin/env",
            become + [
                bin + "/initdb", "-D", data, "-U", Self.user, "--pwfile=\(secret)", "--auth-local=trust",
                "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
            ])
        let log = folder + "/log"
        process = try RestartableProcess(
            "/usr/bin/env",
            become + [
                bin + "/postgres", "-D", data, "-k", folder, "-p", "\(port)", "-c", "listen_addresses=127.0.0.1", "-c",
                "fsync=off", "-c", "shared_buffers=64MB", "-c", "timezone=UTC",
            ] + extraArguments, log: log, isReady: "database system is ready")
        MariaDBServer.removeAtExit(process, folder, signal: SIGQUIT)
    }

    deinit {
        stop()
    }

    /// Ends the server at once and removes its folder. May be called twice.
    public func stop() {
        process.kill(SIGQUIT)
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Ends the server at once, as a crash would; its data stays.
    public func halt() {
        process.kill(SIGQUIT)
    }

    /// Starts the server again after ``halt()``, on the same port; returns when it takes connections.
    public func resume() throws {
        try process.start()
    }

    /// The server that all tests of this process share.
    public static func shared() throws -> PostgreSQLServer {
        try sharedResult.get()
    }

    private static let sharedResult: Result<PostgreSQLServer, any Error> = Result { try PostgreSQLServer() }

    /// Makes an empty database, dropping one of the same name.
    public func makeDatabase(_ name: String) throws {
        try sql("DROP DATABASE IF EXISTS \(name) WITH (FORCE)")
        try sql("CREATE DATABASE \(name)")
    }

    /// The JDBC URL of a database.
    public func url(_ database: String) -> String {
        "jdbc:postgresql://127.0.0.1:\(port)/\(database)"
    }

    /// Runs statements with psql, and returns its rows: lines of values between tabs, `NULL` for null.
    @discardableResult
    public func sql(_ statements: String, database: String? = nil) throws -> [[String]] {
        let output = try MariaDBServer.run(
            client,
            [
                "-X", "-q", "-A", "-t", "-F", "\t", "-P", "null=NULL", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p",
                "\(port)", "-U", Self.user, "-d", database ?? "postgres",
            ], input: statements)
        return output.split(separator: "\n").map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// The columns of a table in order: name, type, whether it may be null, default, whether it is of the primary key.
    public func describe(_ table: String, database: String) throws -> [[String]] {
        try sql(
            """
            SELECT a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END,
              pg_get_expr(d.adbin, d.adrelid), COALESCE(i.indisprimary, false)
            FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)
            WHERE a.attrelid = '\(table)'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;
            """, database: database)
    }

    // MARK: places

    private static func bin() -> String? {
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
            .compactMap { Int($0) }.sorted(by: >).map { "\(root)/\($0)/bin" }
        return (versions + ["/opt/homebrew/bin", "/usr/local/bin", "/usr/bin"])
            .first { FileManager.default.isExecutableFile(atPath: $0 + "/initdb") }
    }

    private static func account() -> (user: uid_t, group: gid_t)? {
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) { return (entry.pointee.pw_uid, entry.pointee.pw_gid) }
        }
        return nil
    }
}
