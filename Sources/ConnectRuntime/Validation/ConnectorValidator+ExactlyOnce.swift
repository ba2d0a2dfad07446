import ConnectAPI

extension ConnectorValidator {
    /// Whether worker and connector can do what `exactly.once.support=required` and `transaction.boundary=connector`
    /// ask for (Kafka's `DistributedHerder.validateSourceConnectorConfig`).
    func checkExactlyOnce(
        _ values: inout [ConfigValue], _ config: [String: String], _ connector: any SourceConnector
    ) {
        func report(_ message: String, on name: String) {
            guard let index = values.firstIndex(where: { $0.name == name }) else { return }
            values[index].errors.append(message)
        }
        func asks(_ name: String, _ value: String) -> Bool { config[name]?.trimmed.lowercased() == value }

        if asks("exactly.once.support", "required") {
            if !environment.deliversOnce {
                report(
                    "This worker does not have exactly-once source support enabled: set "
                        + "exactly.once.source.support=enabled on all workers of the group",
                    on: "exactly.once.support")
            }
            switch connector.exactlyOnceSupport(config) {
            case .supported?: break
            case .unsupported?:
                report(
                    "The connector does not support exactly-once semantics with the provided configuration",
                    on: "exactly.once.support")
            case nil:
                report(
                    "The connector does not say whether it supports exactly-once semantics: see its documentation, and "
                        + "set exactly.once.support=requested to run it without this check",
                    on: "exactly.once.support")
            }
        }
        if environment.deliversOnce, asks("transaction.boundary", "connector"),
            !connector.canDefineTransactionBoundaries(config)
        {
            report(
                "The connector does not end transactions itself with the given configuration: set transaction.boundary "
                    + "to poll or interval",
                on: "transaction.boundary")
        }
    }
}
