extension BrokerConfiguration {
    /// The broker's default of a topic setting: what was changed or configured, else Kafka's default.
    func topicDefault(_ key: ConfigKey) -> (value: String, source: ConfigKey.Source) {
        key.brokerName.flatMap { changes.value($0) } ?? fileDefault(key)
    }

    /// The same without what was changed while the broker runs.
    func fileDefault(_ key: ConfigKey) -> (value: String, source: ConfigKey.Source) {
        func hours(_ name: String) -> String? {
            properties[name].flatMap { Int64($0) }.map { $0 < 0 ? "-1" : String($0 * 3_600_000) }
        }
        if let name = key.brokerName, let value = properties[name] { return (value, .staticBroker) }
        switch key.name {
        case "retention.ms":
            let minutes = properties["log.retention.minutes"].flatMap { Int64($0) }
            if let minutes { return (minutes < 0 ? "-1" : String(minutes * 60_000), .staticBroker) }
            if let value = hours("log.retention.hours") { return (value, .staticBroker) }
        case "segment.ms":
            if let value = hours("log.roll.hours") { return (value, .staticBroker) }
        case "flush.ms":
            if let value = properties["log.flush.scheduler.interval.ms"] { return (value, .staticBroker) }
        default:
            break
        }
        return (key.defaultValue ?? "", .builtIn)
    }

    /// All settings of a topic in effect: its own over the broker's defaults.
    func effectiveTopicConfiguration(_ own: [String: String]) -> [String: String] {
        var result: [String: String] = [:]
        for key in TopicConfigKeys.all { result[key.name] = own[key.name] ?? topicDefault(key).value }
        return result
    }

    /// The value in effect of a broker setting, and whether it was configured.
    func brokerValue(_ key: ConfigKey) -> (value: String?, source: ConfigKey.Source) {
        if let changed = changes.value(key.name) { return (changed.value, changed.source) }
        return fileValue(key)
    }

    /// The same without what was changed while the broker runs.
    func fileValue(_ key: ConfigKey) -> (value: String?, source: ConfigKey.Source) {
        if let value = properties[key.name] { return (value, .staticBroker) }
        switch key.name {
        case "listeners": return ("\(firstListener.name)://\(host):\(port)", .staticBroker)
        case "log.dir", "log.dirs": return (dataDirectory, .staticBroker)
        case "node.id", "broker.id": return (String(nodeID), .staticBroker)
        case "num.partitions" where numPartitions != 1: return (String(numPartitions), .staticBroker)
        case "auto.create.topics.enable" where !autoCreateTopics: return ("false", .staticBroker)
        case "group.initial.rebalance.delay.ms" where groupInitialRebalanceDelay != 0:
            return (String(groupInitialRebalanceDelay), .staticBroker)
        default: return (key.defaultValue, .builtIn)
        }
    }

    /// The settings that can change while the broker runs and are no topics' defaults.
    mutating func readLimits() {
        func value(_ name: String) -> String? { changes.value(name)?.value ?? properties[name] }
        maxConnections = value("max.connections").flatMap { Int($0) } ?? maxConnections
        maxConnectionsPerIP = value("max.connections.per.ip").flatMap { Int($0) } ?? maxConnectionsPerIP
        maxConnectionCreationRate =
            value("max.connection.creation.rate").flatMap { Int($0) } ?? maxConnectionCreationRate
        if let text = value("max.connections.per.ip.overrides"), let limits = try? Self.connectionsByIP(text) {
            maxConnectionsByIP = limits
        }
    }

    /// Reads `address:count,address:count`.
    static func connectionsByIP(_ text: String) throws(BrokerError) -> [String: Int] {
        var limits: [String: Int] = [:]
        for item in ConfigKey.items(text) {
            guard let colon = item.lastIndex(of: ":"), let count = Int(item[item.index(after: colon)...]), count >= 0
            else {
                throw BrokerError(
                    .configuration, "max.connections.per.ip.overrides: \(item) is not of the form address:count.")
            }
            limits[String(item[..<colon])] = count
        }
        return limits
    }
}
