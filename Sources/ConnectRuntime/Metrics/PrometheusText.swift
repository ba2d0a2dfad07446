/// Prometheus' text format 0.0.4: lines of `name{label="value"} number`, grouped by name.
struct PrometheusText {
    enum Kind: String {
        case counter, gauge
    }

    private var order: [String] = []
    private var lines: [String: (kind: Kind, lines: [String])] = [:]

    /// Adds a value.
    /// - Parameters:
    ///   - group: the type of Kafka's MBean, such as `source-task-metrics`.
    ///   - name: its attribute, such as `source-record-poll-total`. Names are joined as the JMX exporter does.
    mutating func add(
        _ group: String, _ name: String, _ kind: Kind, _ value: Double, labels: [(name: String, value: String)] = []
    ) {
        let full = "kafka_connect_\(group)_\(name)".replacing("-", with: "_")
        if lines[full] == nil {
            order.append(full)
            lines[full] = (kind, [])
        }
        let text = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        lines[full]?.lines.append("\(full)\(text.isEmpty ? "" : "{\(text)}") \(Self.number(value))")
    }

    mutating func add(
        _ group: String, _ name: String, _ kind: Kind, _ value: Int64, labels: [(name: String, value: String)] = []
    ) {
        add(group, name, kind, Double(value), labels: labels)
    }

    /// The document.
    var text: String {
        order.compactMap { name in
            lines[name].map { "# TYPE \(name) \($0.kind.rawValue)\n" + $0.lines.joined(separator: "\n") + "\n" }
        }.joined()
    }

    private static func number(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return String(whole) }
        return value.isFinite ? "\(value)" : "NaN"
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
