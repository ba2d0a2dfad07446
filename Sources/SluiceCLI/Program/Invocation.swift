/// The program under the names of Kafka's scripts: a symbolic link `kafka-topics.sh` to `sluice` is `sluice topics`.
enum Invocation {
    private static let commands = [
        "kafka-topics": "topics",
        "kafka-console-producer": "console-producer",
        "kafka-console-consumer": "console-consumer",
        "kafka-consumer-groups": "consumer-groups",
        "kafka-get-offsets": "get-offsets",
        "kafka-acls": "acls",
        "kafka-configs": "configs",
        "kafka-transactions": "transactions",
        "kafka-delete-records": "delete-records",
        "kafka-storage": "storage",
        "kafka-dump-log": "dump-log",
        "kafka-producer-perf-test": "producer-perf-test",
        "kafka-consumer-perf-test": "consumer-perf-test",
        "kafka-server-start": "broker",
        "connect-distributed": "connect-distributed",
        "connect-standalone": "connect-standalone",
    ]

    /// The arguments without the program's name, with the command that the name implies put first.
    static func arguments(from commandLine: [String]) -> [String] {
        let rest = Array(commandLine.dropFirst())
        guard let path = commandLine.first else { return rest }
        var name = path.split(separator: "/").last ?? ""
        for suffix in [".sh", ".bat"] where name.hasSuffix(suffix) { name = name.dropLast(suffix.count) }
        guard let command = commands[String(name)] else { return rest }
        return [command] + rest
    }
}
