import KafkaProtocol
import TransportSecurity

/// Reads `listeners`, `advertised.listeners`, `listener.security.protocol.map`, `sasl.enabled.mechanisms` and the
/// settings that begin with `listener.name.` or `ssl.`.
struct ListenerConfiguration {
    /// The mechanisms that are served.
    static let mechanisms = ["PLAIN"] + ScramMechanism.allCases.map(\.name) + ["OAUTHBEARER"]

    let properties: [String: String]

    /// The listeners for clients, in their order; those of the controller are left out.
    func listeners(_ defaults: Listener) throws(BrokerError) -> [Listener] {
        guard let text = properties["listeners"] else { return [try advertised(defaults)] }
        let protocols = try protocolMap()
        let controllers = Set(ConfigKey.items(properties["controller.listener.names"] ?? "CONTROLLER"))
        var listeners: [Listener] = []
        for item in ConfigKey.items(text) {
            let address = try BrokerConfiguration.parseListener(item, setting: "listeners")
            guard !controllers.contains(address.name) else { continue }
            guard let security = protocols[address.name] else {
                throw BrokerError(
                    .configuration,
                    "listeners: \(address.name) is not in listener.security.protocol.map; add \(address.name):SASL_SSL "
                        + "or another protocol.")
            }
            guard !listeners.contains(where: { $0.name == address.name }) else {
                throw BrokerError(.configuration, "listeners: the name \(address.name) is there twice.")
            }
            var listener = Listener()
            listener.name = address.name
            listener.securityProtocol = security
            listener.host = address.host.isEmpty ? "0.0.0.0" : address.host
            listener.port = address.port
            try readSecurity(&listener)
            listeners.append(try advertised(listener))
        }
        guard !listeners.isEmpty else {
            throw BrokerError(
                .configuration, "listeners names no listener for clients: add PLAINTEXT://127.0.0.1:9092.")
        }
        return listeners
    }

    private func protocolMap() throws(BrokerError) -> [String: SecurityProtocol] {
        var map = Dictionary(uniqueKeysWithValues: SecurityProtocol.allCases.map { ($0.rawValue, $0) })
        for item in ConfigKey.items(properties["listener.security.protocol.map"] ?? "") {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let security = SecurityProtocol(rawValue: parts[1].uppercased()) else {
                throw BrokerError(
                    .configuration,
                    "listener.security.protocol.map: \(item) is not of the form NAME:PROTOCOL with one of "
                        + SecurityProtocol.allCases.map(\.rawValue).joined(separator: ", ") + ".")
            }
            map[String(parts[0])] = security
        }
        return map
    }

    private func advertised(_ listener: Listener) throws(BrokerError) -> Listener {
        var listener = listener
        for item in ConfigKey.items(properties["advertised.listeners"] ?? "") {
            let address = try BrokerConfiguration.parseListener(item, setting: "advertised.listeners")
            guard address.name == listener.name else { continue }
            listener.advertisedHost = address.host.isEmpty ? nil : address.host
            listener.advertisedPort = address.port
        }
        return listener
    }

    private func readSecurity(_ listener: inout Listener) throws(BrokerError) {
        let prefix = "listener.name.\(listener.name.lowercased())."
        if listener.securityProtocol.usesTLS { try readTLS(&listener, prefix) }
        guard listener.securityProtocol.usesSASL else { return }
        let named =
            properties[prefix + "sasl.enabled.mechanisms"] ?? properties["sasl.enabled.mechanisms"] ?? "SCRAM-SHA-512"
        for mechanism in ConfigKey.items(named) {
            guard Self.mechanisms.contains(mechanism) else {
                throw BrokerError(
                    .configuration,
                    "sasl.enabled.mechanisms: \(mechanism) is not one of " + Self.mechanisms.joined(separator: ", ")
                        + ".")
            }
            listener.mechanisms.append(mechanism)
            try readReauthentication(&listener, prefix, mechanism)
        }
        if listener.mechanisms.contains("OAUTHBEARER") { try readTokenRules(&listener, prefix) }
        let setting = prefix + "plain.sasl.jaas.config"
        if let text = properties[setting] { listener.plainUsers = try PlainUsers(jaas: text, setting: setting) }
        if listener.mechanisms.contains("PLAIN"), listener.plainUsers.isEmpty {
            throw BrokerError(
                .configuration,
                "\(setting) names no user for PLAIN; set it to: "
                    + "org.apache.kafka.common.security.plain.PlainLoginModule required user_NAME=\"PASSWORD\";")
        }
    }

    /// `connections.max.reauth.ms`, with the prefix of the listener and the mechanism, of the listener, or without.
    private func readReauthentication(
        _ listener: inout Listener, _ prefix: String, _ mechanism: String
    ) throws(BrokerError) {
        let name = "connections.max.reauth.ms"
        let text =
            properties[prefix + mechanism.lowercased() + "." + name] ?? properties[prefix + name] ?? properties[name]
        guard let text else { return }
        guard let milliseconds = Int64(text) else {
            throw BrokerError(.configuration, "\(name)=\(text): a number of milliseconds is needed.")
        }
        listener.maxReauth[mechanism] = milliseconds
    }

    /// Kafka's `sasl.oauthbearer.*`, with the listener's prefix or without; `sasl.oauthbearer.unsecured.tokens.allow` is
    /// ours: Kafka takes unsigned tokens when nothing else is set.
    private func readTokenRules(_ listener: inout Listener, _ prefix: String) throws(BrokerError) {
        func value(_ name: String) -> String? {
            let name = "sasl.oauthbearer." + name
            let text = properties[prefix + "oauthbearer." + name] ?? properties[prefix + name] ?? properties[name]
            return text.flatMap { $0.isEmpty ? nil : $0 }
        }
        var rules = TokenVerifier.Rules()
        if let url = value("jwks.endpoint.url") {
            guard url.hasPrefix("file://"), url.count > 7 else {
                throw BrokerError(
                    .configuration,
                    "sasl.oauthbearer.jwks.endpoint.url=\(url): only file:///path is supported; fetch the issuer's keys "
                        + "to a file, which is read again when a token names a new key.")
            }
            rules.keyFile = String(url.dropFirst(7))
        }
        rules.allowsUnsecured = value("unsecured.tokens.allow")?.lowercased() == "true"
        rules.issuer = value("expected.issuer")
        rules.audiences = ConfigKey.items(value("expected.audience") ?? "")
        rules.subjectClaim = value("sub.claim.name") ?? rules.subjectClaim
        if let text = value("clock.skew.seconds") {
            guard let seconds = Double(text), seconds >= 0 else {
                throw BrokerError(
                    .configuration, "sasl.oauthbearer.clock.skew.seconds=\(text): a number of seconds is needed.")
            }
            rules.clockSkew = seconds
        }
        guard rules.keyFile != nil || rules.allowsUnsecured else {
            throw BrokerError(
                .configuration,
                "OAUTHBEARER needs the issuer's keys: set sasl.oauthbearer.jwks.endpoint.url to file:///path of a JSON "
                    + "Web Key Set.")
        }
        listener.tokenRules = rules
    }

    private func readTLS(_ listener: inout Listener, _ prefix: String) throws(BrokerError) {
        let isSSL = listener.securityProtocol == .ssl
        do throws(TLSError) {
            listener.tls = try TLSSettings { name in
                // Kafka, too, asks users of SASL for a certificate only if their listener says so.
                if name == "ssl.client.auth", !isSSL { return properties[prefix + name] }
                return properties[prefix + name] ?? properties[name]
            }
        } catch {
            throw BrokerError(.configuration, "listeners: \(listener.name): \(error.message).", cause: error)
        }
        let setting = "ssl.principal.mapping.rules"
        listener.principalRules = try PrincipalRules(properties[prefix + setting] ?? properties[setting] ?? "DEFAULT")
    }

    /// Names that Kafka's files carry and that have no effect here: the Java platform's.
    private static let inert: Set<String> = [
        "ssl.provider", "ssl.secure.random.implementation", "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm",
        "ssl.engine.factory.class", "ssl.allow.dn.changes", "ssl.allow.san.changes",
    ]

    private static let tokenSettings = Set(
        [
            "jwks.endpoint.url", "unsecured.tokens.allow", "expected.issuer", "expected.audience", "sub.claim.name",
            "clock.skew.seconds", "scope.claim.name", "jwks.endpoint.refresh.ms", "jwks.endpoint.retry.backoff.ms",
            "jwks.endpoint.retry.backoff.max.ms",
        ].map { "sasl.oauthbearer." + $0 })

    /// Whether a name that begins with `ssl.` or `sasl.oauthbearer.` is one of Kafka's.
    static func isKnown(_ name: String) -> Bool {
        TLSSettings.names.contains(name) || inert.contains(name) || tokenSettings.contains(name)
            || name == "ssl.principal.mapping.rules"
    }
}
