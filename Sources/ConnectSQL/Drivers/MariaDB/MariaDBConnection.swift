import CMariaDB
import ConnectAPI

/// A connection to MariaDB or MySQL, through MariaDB's own library.
final class MariaDBConnection: SQLConnection {
    /// Where to connect, as whom, and how.
    struct Options: Sendable {
        var host = "localhost"
        var port: UInt32 = 3306
        /// A socket file; used in place of host and port.
        var socket: String?
        var user: String?
        var password: Secret?
        var database: String?
        var connectTimeout: Duration = .seconds(10)
        /// How long the server may be silent before the connection counts as lost. Zero waits for ever.
        var readTimeout: Duration = .seconds(600)
        var tls = TLS()
        var compresses = false
        var decoding = DecodingOptions()
        /// `READ COMMITTED` and so on; nil leaves the server's default.
        var isolation: String?
    }

    /// TLS as the URL asks for it.
    struct TLS: Sendable, Hashable {
        /// Connector/J's `sslMode`.
        enum Mode: Sendable, Hashable {
            case disabled, preferred, required, verifyCA, verifyIdentity
        }

        var mode = Mode.preferred
        /// PEM files.
        var authority: String?
        var certificate: String?
        var key: String?
        /// Such as `TLSv1.2,TLSv1.3`.
        var versions: String?
    }

    /// Nil once closed.
    private(set) var handle: UnsafeMutablePointer<MYSQL>?
    let options: Options
    let mariaDB: UnsafePointer<MariaDBFunctions>

    init(_ options: Options) throws(SQLError) {
        self.options = options
        mariaDB = try MariaDBLibrary.functions()
        guard let handle = mariaDB.pointee.mysql_init(nil) else { throw SQLError(.other, "out of memory") }
        self.handle = handle
        set(options, on: handle)
        let connected = mariaDB.pointee.mysql_real_connect(
            handle, options.socket == nil ? options.host : nil, options.user, options.password?.revealed,
            options.database, options.port, options.socket, 0)
        guard connected != nil else {
            let error = failure()
            close()
            throw error
        }
    }

    deinit {
        close()
    }

    func execute(_ sql: String) throws(SQLError) {
        let handle = try open()
        guard mariaDB.pointee.mysql_real_query(handle, sql, UInt(sql.utf8.count)) == 0 else { throw failure() }
        if let result = mariaDB.pointee.mysql_use_result(handle) { mariaDB.pointee.mysql_free_result(result) }
    }

    func prepareQuery(_ sql: String) throws(SQLError) -> any SQLQuery {
        try MariaDBQuery(MariaDBStatement(self, sql), options.decoding)
    }

    func prepareWrite(_ text: SQLWriteText) throws(SQLError) -> any SQLWrite {
        try MariaDBWrite(self, text, isBulk: hasBulk)
    }

    func begin() throws(SQLError) {
        try execute("START TRANSACTION")
    }

    func commit() throws(SQLError) {
        guard mariaDB.pointee.mysql_commit(try open()) == 0 else { throw failure() }
    }

    func rollback() {
        guard let handle else { return }
        if mariaDB.pointee.mysql_rollback(handle) != 0 { close() }
    }

    func changeCounter() -> Int64? { nil }

    func close() {
        // Ends the connection without reading the rest of an open result; its statements survive without it.
        mariaDB.pointee.mysql_close(handle)
        handle = nil
    }

    /// The handle, or an error if the connection has been closed.
    func open() throws(SQLError) -> UnsafeMutablePointer<MYSQL> {
        guard let handle else { throw SQLError(.connection, sqlState: "08003", "the connection is closed") }
        return handle
    }

    /// The error of the last call.
    func failure() -> SQLError {
        guard let handle else { return SQLError(.connection, sqlState: "08003", "the connection is closed") }
        return MariaDBError.make(
            code: mariaDB.pointee.mysql_errno(handle), state: mariaDB.pointee.mysql_sqlstate(handle),
            message: mariaDB.pointee.mysql_error(handle))
    }

    /// Whether the server takes many rows of parameters in one message (MariaDB 10.2 and later).
    private var hasBulk: Bool {
        var capabilities: UInt64 = 0
        let bulk = UInt64(1) << 2  // MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32
        let status = mariaDB.pointee.mariadb_get_info(
            handle, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &capabilities)
        return status == 0 && capabilities & bulk != 0
    }

    // MARK: options

    private func set(_ options: Options, on handle: UnsafeMutablePointer<MYSQL>) {
        func number(_ option: mysql_option, _ value: UInt32) {
            withUnsafePointer(to: value) { _ = mariaDB.pointee.mysql_options(handle, option, $0) }
        }
        func flag(_ option: mysql_option, _ value: Bool) {
            withUnsafePointer(to: CChar(value ? 1 : 0)) { _ = mariaDB.pointee.mysql_options(handle, option, $0) }
        }
        // The word localhost must not turn into a socket: JDBC always means TCP.
        number(MYSQL_OPT_PROTOCOL, options.socket == nil ? MYSQL_PROTOCOL_TCP.rawValue : MYSQL_PROTOCOL_SOCKET.rawValue)
        number(MYSQL_OPT_CONNECT_TIMEOUT, Self.seconds(options.connectTimeout))
        if options.readTimeout > .zero { number(MYSQL_OPT_READ_TIMEOUT, Self.seconds(options.readTimeout)) }
        number(MYSQL_OPT_WRITE_TIMEOUT, 60)
        number(MYSQL_OPT_LOCAL_INFILE, 0)
        flag(MYSQL_REPORT_DATA_TRUNCATION, true)
        if options.compresses { _ = mariaDB.pointee.mysql_options(handle, MYSQL_OPT_COMPRESS, nil) }
        _ = mariaDB.pointee.mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4")
        set(options.tls, on: handle, flag)
        for command in Self.sessionCommands(options) {
            _ = mariaDB.pointee.mysql_options(handle, MYSQL_INIT_COMMAND, command)
        }
    }

    private func set(
        _ tls: TLS, on handle: UnsafeMutablePointer<MYSQL>, _ flag: (mysql_option, Bool) -> Void
    ) {
        guard tls.mode != .disabled else { return }
        if let authority = tls.authority { _ = mariaDB.pointee.mysql_options(handle, MYSQL_OPT_SSL_CA, authority) }
        if let certificate = tls.certificate {
            _ = mariaDB.pointee.mysql_options(handle, MYSQL_OPT_SSL_CERT, certificate)
        }
        if let key = tls.key { _ = mariaDB.pointee.mysql_options(handle, MYSQL_OPT_SSL_KEY, key) }
        if let versions = tls.versions { _ = mariaDB.pointee.mysql_options(handle, MARIADB_OPT_TLS_VERSION, versions) }
        if tls.mode != .preferred { flag(MYSQL_OPT_SSL_ENFORCE, true) }
        flag(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, tls.mode == .verifyIdentity || tls.mode == .verifyCA)
    }

    /// What every session begins with: a zone that dates can be computed in, errors instead of cut values, backslash
    /// escapes as the dialect writes them, and patience with a reader that is held up.
    private static func sessionCommands(_ options: Options) -> [String] {
        let modes = "REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')"
        var commands = [
            "SET SESSION time_zone = '+00:00', net_write_timeout = 3600, "
                + "sql_mode = CONCAT(\(modes), ',STRICT_TRANS_TABLES,STRICT_ALL_TABLES')"
        ]
        if let isolation = options.isolation {
            commands.append("SET SESSION TRANSACTION ISOLATION LEVEL \(isolation)")
        }
        return commands
    }

    private static func seconds(_ duration: Duration) -> UInt32 {
        let (seconds, attoseconds) = duration.components
        return UInt32(clamping: seconds + (attoseconds > 0 ? 1 : 0))
    }
}
