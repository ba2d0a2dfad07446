import CPostgreSQL
import ConnectAPI

/// A connection to PostgreSQL, through libpq.
final class PostgreSQLConnection: SQLConnection {
    /// Where to connect, as whom, and how.
    struct Options: Sendable {
        /// libpq's own connection parameters, such as `host`, `port` and `sslmode`; never a password.
        var parameters: [String: String] = [:]
        var password: Secret?
        var connectTimeout: Duration = .seconds(10)
        var decoding = DecodingOptions()
        /// `READ COMMITTED` and so on; nil leaves the server's default.
        var isolation: String?
        /// `currentSchema` of the URL: the search path.
        var searchPath: String?
    }

    /// Nil once closed.
    private(set) var handle: OpaquePointer?
    let options: Options
    let libpq: UnsafePointer<PostgreSQLFunctions>
    private var statements = 0
    /// What has been looked up about types that are not built in, by their number.
    var types: [UInt32: PostgreSQLType] = [:]

    init(_ options: Options) throws(SQLError) {
        self.options = options
        libpq = try PostgreSQLLibrary.functions()
        var parameters = options.parameters
        let seconds = options.connectTimeout.components.seconds
        if seconds > 0 { parameters["connect_timeout"] = "\(max(seconds, 2))" }
        parameters["client_encoding"] = "UTF8"
        parameters["password"] = options.password?.revealed
        if parameters["application_name"] == nil { parameters["fallback_application_name"] = "sluice" }
        // One question less to the server, which few can answer.
        if parameters["gssencmode"] == nil { parameters["gssencmode"] = "disable" }
        handle = Self.connect(parameters, libpq)
        guard let handle, libpq.pointee.PQstatus(handle) == CONNECTION_OK else {
            let error = connectFailure()
            close()
            throw error
        }
        // Notices are for people at a terminal.
        _ = libpq.pointee.PQsetNoticeProcessor(handle, { _, _ in }, nil)
        try execute(sessionSettings)
    }

    deinit {
        close()
    }

    func execute(_ sql: String) throws(SQLError) {
        let result = libpq.pointee.PQexec(try open(), sql)
        defer { libpq.pointee.PQclear(result) }
        try check(result)
    }

    func prepareQuery(_ sql: String) throws(SQLError) -> any SQLQuery {
        try PostgreSQLQuery(self, sql)
    }

    func prepareWrite(_ text: SQLWriteText) throws(SQLError) -> any SQLWrite {
        if text.isForSingleRows { try PostgreSQLStatement(self, text) } else { try PostgreSQLWrite(self, text) }
    }

    func begin() throws(SQLError) {
        try execute("BEGIN")
    }

    func commit() throws(SQLError) {
        // COMMIT of a transaction that has failed answers ROLLBACK, and no error.
        guard libpq.pointee.PQtransactionStatus(try open()) != PQTRANS_INERROR else {
            rollback()
            throw SQLError(.other, sqlState: "25P02", "the transaction had failed and was rolled back")
        }
        try execute("COMMIT")
    }

    func rollback() {
        guard let handle else { return }
        let status = libpq.pointee.PQtransactionStatus(handle)
        guard status != PQTRANS_IDLE else { return }
        let result = libpq.pointee.PQexec(handle, "ROLLBACK")
        defer { libpq.pointee.PQclear(result) }
        if libpq.pointee.PQresultStatus(result) != PGRES_COMMAND_OK { close() }
    }

    func changeCounter() -> Int64? { nil }

    func close() {
        guard let handle else { return }
        libpq.pointee.PQfinish(handle)
        self.handle = nil
    }

    // MARK: for statements

    /// The handle, or an error if the connection has been closed.
    func open() throws(SQLError) -> OpaquePointer {
        guard let handle else { throw SQLError(.connection, sqlState: "08003", "the connection is closed") }
        return handle
    }

    /// Prepares a statement.
    /// - Returns: its name.
    func prepare(_ sql: String) throws(SQLError) -> String {
        statements += 1
        let name = "s\(statements)"
        let result = libpq.pointee.PQprepare(try open(), name, sql, 0, nil)
        defer { libpq.pointee.PQclear(result) }
        try check(result)
        return name
    }

    /// Frees a prepared statement; the end of the connection does it too.
    func deallocate(_ name: String) {
        guard let handle, libpq.pointee.PQtransactionStatus(handle) == PQTRANS_IDLE else { return }
        libpq.pointee.PQclear(libpq.pointee.PQexec(handle, "DEALLOCATE \(name)"))
    }

    /// Throws unless a command has been carried out or has given rows.
    func check(_ result: OpaquePointer?) throws(SQLError) {
        switch libpq.pointee.PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE, PGRES_EMPTY_QUERY: return
        default: throw failure(result)
        }
    }

    /// The error of a result; of the connection if there is none.
    func failure(_ result: OpaquePointer?) -> SQLError {
        func field(_ code: Unicode.Scalar) -> String? {
            libpq.pointee.PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
        }
        let isLost = handle.map { libpq.pointee.PQstatus($0) != CONNECTION_OK } ?? true
        guard let state = field("C") else {
            let text = handle.flatMap { libpq.pointee.PQerrorMessage($0) }.map { String(cString: $0) } ?? ""
            return SQLError(
                isLost ? .connection : .other, sqlState: isLost ? "08006" : "HY000",
                text.isEmpty ? "the connection is lost" : PostgreSQLError.oneLine(text))
        }
        let detail = field("D").map { ": \($0)" } ?? ""
        let kind = isLost ? .connection : PostgreSQLError.kind(state)
        return SQLError(kind, sqlState: state, (field("M") ?? "unknown error") + detail)
    }

    /// Waits for the end of a command that was sent, and throws its first error.
    func finishCommand() throws(SQLError) {
        let handle = try open()
        var failure: SQLError?
        while let result = libpq.pointee.PQgetResult(handle) {
            do throws(SQLError) {
                try check(result)
            } catch {
                failure = failure ?? error
            }
            libpq.pointee.PQclear(result)
        }
        if let failure { throw failure }
    }

    // MARK: connecting

    private static func connect(
        _ parameters: [String: String], _ libpq: UnsafePointer<PostgreSQLFunctions>
    ) -> OpaquePointer? {
        let entries = parameters.sorted { $0.key < $1.key }
        let names = entries.map { $0.key.withCString { duplicate($0) } }
        let values = entries.map { $0.value.withCString { duplicate($0) } }
        defer { for text in names + values { text.deallocate() } }
        let nameList: [UnsafePointer<CChar>?] = names.map { UnsafePointer($0) } + [nil]
        let valueList: [UnsafePointer<CChar>?] = values.map { UnsafePointer($0) } + [nil]
        return libpq.pointee.PQconnectdbParams(nameList, valueList, 0)
    }

    private static func duplicate(_ text: UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar> {
        var count = 0
        while text[count] != 0 { count += 1 }
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: count + 1)
        copy.update(from: text, count: count + 1)
        return copy
    }

    private func connectFailure() -> SQLError {
        let text = handle.flatMap { libpq.pointee.PQerrorMessage($0) }.map { String(cString: $0) } ?? "out of memory"
        return PostgreSQLError.connecting(text)
    }

    /// What every session begins with: a zone that dates can be computed in, and unambiguous texts.
    private var sessionSettings: String {
        var settings = [
            "SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'", "SET IntervalStyle = 'iso_8601'",
            "SET extra_float_digits = 1", "SET standard_conforming_strings = on",
        ]
        if let path = options.searchPath {
            let schemas = path.split(separator: ",").map { schema in
                "\"" + schema.filter { $0 != " " }.replacing("\"", with: "\"\"") + "\""
            }
            settings.append("SET search_path = \(schemas.joined(separator: ", "))")
        }
        if let isolation = options.isolation {
            settings.append("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL \(isolation)")
        }
        return settings.joined(separator: "; ")
    }
}

/// Sorts the errors of server and library.
enum PostgreSQLError {
    /// What an SQLState means (PostgreSQL documentation, appendix A).
    static func kind(_ state: String) -> SQLError.Kind {
        switch state {
        case "42P01": return .tableMissing
        // the server stops, or has lost a process
        case "57P01", "57P02", "57P03", "57P05": return .connection
        // lock wait, statement time-out, read only while failing over, device full or failing
        case "55P03", "55006", "57014", "25006", "58030": return .transient
        // ON CONFLICT met one row twice: written one by one, the rows go in
        case "21000": return .data
        default: break
        }
        switch state.prefix(2) {
        case "08": return .connection
        // deadlock and serialization failure; disk full, out of memory, too many connections
        case "40", "53": return .transient
        case "22", "23": return .data
        default: return .other
        }
    }

    /// The error of a connection that could not be made, of which libpq tells the text only.
    static func connecting(_ text: String) -> SQLError {
        let message = oneLine(text)
        // What trying again does not mend.
        let refusals = [
            "authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied",
            "invalid connection option", "invalid sslmode", "certificate", "server does not support SSL",
        ]
        let isRefused = refusals.contains { message.range(ofText: $0) != nil }
        return SQLError(isRefused ? .other : .connection, sqlState: isRefused ? "28000" : "08001", message)
    }

    static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: "; ")
    }
}
