import ConnectAPI

/// A PostgreSQL URL as its JDBC driver documents it: `//host:port,host2:port2/database?p=v`, `//[::1]:5432/db`,
/// `/database` or `database` alone for a server on this machine.
struct PostgreSQLURL: Sendable {
    /// What the driver needs.
    var options = PostgreSQLConnection.Options()
    /// Parameters that mean nothing here.
    var unknownParameters: [String] = []

    /// Parameters of the JDBC driver about how it works inside, which change nothing that a connector shows.
    private static let meaningless: Set = [
        "rewritebatchedinserts", "preparethreshold", "preparedstatementcachequeries", "defaultrowfetchsize",
        "binarytransfer", "binarytransferenable", "binarytransferdisable", "stringtype", "autosave", "loggerlevel",
        "preferquerymode", "databasemetadatacachefields", "cleanupsavepoints", "adaptivefetch", "readonly",
        "reloggerfile", "assumeminserverversion", "allowencodingchanges", "logunclosedconnections",
    ]

    /// Reads what follows `jdbc:postgresql:`.
    init(_ text: Substring) throws(ConnectError) {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var location = parts.first ?? ""
        if location.hasPrefix("//") {
            location = location.dropFirst(2)
            let slash = location.firstIndex(of: "/")
            try setHosts(slash.map { location[..<$0] } ?? location)
            location = slash.map { location[location.index(after: $0)...] } ?? ""
        } else {
            if location.hasPrefix("/") { location = location.dropFirst() }
            options.parameters["host"] = "localhost"
        }
        if !location.isEmpty { options.parameters["dbname"] = JDBCURL.decoded(location) }
        // A peer that has vanished without a word is noticed within a minute.
        options.parameters["keepalives_idle"] = "30"
        options.parameters["keepalives_interval"] = "10"
        options.parameters["keepalives_count"] = "3"
        for (name, value) in parts.count > 1 ? JDBCURL.parameters(parts[1]) : [] { try set(name, value) }
    }

    private mutating func setHosts(_ authority: Substring) throws(ConnectError) {
        var hosts: [String] = []
        var ports: [String] = []
        for entry in authority.split(separator: ",") {
            var name = entry
            var port = Substring("5432")
            if entry.hasPrefix("["), let close = entry.firstIndex(of: "]") {
                name = entry[entry.index(after: entry.startIndex)..<close]
                let rest = entry[entry.index(after: close)...]
                if rest.hasPrefix(":") { port = rest.dropFirst() }
            } else if let colon = entry.lastIndex(of: ":") {
                name = entry[..<colon]
                port = entry[entry.index(after: colon)...]
            }
            guard let number = UInt16(port), number > 0 else {
                throw .config("connection.url has a port that is no number from 1 to 65535: \(port)")
            }
            hosts.append(name.isEmpty ? "localhost" : JDBCURL.decoded(name))
            ports.append("\(number)")
        }
        options.parameters["host"] = hosts.isEmpty ? "localhost" : hosts.joined(separator: ",")
        if !ports.isEmpty { options.parameters["port"] = ports.joined(separator: ",") }
    }

    /// Applies a parameter of the URL, or a `connection.<name>` option. The names are the JDBC driver's.
    mutating func set(_ name: String, _ value: String) throws(ConnectError) {
        switch name.lowercased() {
        case "user": options.parameters["user"] = value
        case "password": options.password = Secret(value)
        case "sslpassword": options.parameters["sslpassword"] = value
        case "ssl": if value.lowercased() != "false" { options.parameters["sslmode"] = "verify-full" }
        case "sslmode":
            let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
            guard modes.contains(value.lowercased()) else {
                throw .config(
                    "Parameter sslmode of connection.url must be one of \(modes.joined(separator: ", ")): \(value)")
            }
            options.parameters["sslmode"] = value.lowercased()
        case "sslrootcert", "sslcert", "sslkey": options.parameters[name.lowercased()] = value
        case "sslfactory", "sslhostnameverifier", "sslpasswordcallback", "socketfactory":
            throw .config(
                "Parameter \(name) of connection.url names a Java class; use sslmode, sslrootcert, sslcert and sslkey "
                    + "with PEM files, or localSocket for a socket's folder")
        case "localsocket": options.parameters["host"] = value
        case "connecttimeout", "logintimeout": options.connectTimeout = .seconds(try number(name, value))
        case "sockettimeout":
            let seconds = try number(name, value)
            if seconds > 0 { options.parameters["tcp_user_timeout"] = "\(seconds * 1_000)" }
        case "tcpkeepalive": options.parameters["keepalives"] = value.lowercased() == "false" ? "0" : "1"
        case "applicationname": options.parameters["application_name"] = value
        case "currentschema": options.searchPath = value
        case "options": options.parameters["options"] = value
        case "channelbinding": options.parameters["channel_binding"] = value.lowercased()
        case "gssencmode": options.parameters["gssencmode"] = value.lowercased()
        case "targetservertype": try setTarget(value)
        case let other where Self.meaningless.contains(other): break
        default: unknownParameters.append(name)
        }
    }

    private mutating func setTarget(_ value: String) throws(ConnectError) {
        switch value.lowercased() {
        case "any": options.parameters["target_session_attrs"] = "any"
        case "primary", "master": options.parameters["target_session_attrs"] = "primary"
        case "secondary", "slave": options.parameters["target_session_attrs"] = "standby"
        case "prefersecondary", "preferslave": options.parameters["target_session_attrs"] = "prefer-standby"
        default: throw .config("Parameter targetServerType of connection.url has an unknown value: \(value)")
        }
    }

    private func number(_ name: String, _ value: String) throws(ConnectError) -> Int {
        guard let number = Int(value), (0...86_400).contains(number) else {
            throw .config("Parameter \(name) of connection.url is no number of seconds: \(value)")
        }
        return number
    }
}
